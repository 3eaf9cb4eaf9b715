import { describe, expect, it, vi } from "vitest";
import { DeviceError, FILE_BYTES_MAX, FILE_NAME_BYTES_MAX, type FileAbout, type Message } from "../src/device/contract";
import { Contents } from "../src/files/contents";
import { fitted, frameOf } from "../src/files/frame";
import { kindOf, shownType, typeOf } from "../src/files/kind";
import { extensionOf, renamed, safeName, savedName, shownName, utf8Length } from "../src/files/name";
import { added, faultOf, type Picked, PICKED_MAX } from "../src/files/outgoing";
import { sizeText } from "../src/files/size";
import { FIT, moved, toggled, zoomed } from "../src/files/zoom";

describe("what is shown of a file", () => {
  it("is decided by a closed list, whatever the sender calls it", () => {
    expect(kindOf("image/jpeg")).toBe("picture");
    expect(kindOf("Video/WebM; codecs=vp9")).toBe("video");
    for (const mime of ["image/svg+xml", "text/html", "application/pdf", "application/xhtml+xml", "image/heic", "toString", "constructor", "__proto__", "", "image/png\r\nx", "image"]) expect(kindOf(mime), mime).toBe("document");
  });

  it("gives a blob no other type than one of that list", () => {
    expect(shownType("IMAGE/PNG ;charset=x")).toBe("image/png");
    expect(shownType("image/svg+xml")).toBeNull();
    expect(typeOf("no type at all")).toBe("application/octet-stream");
  });
});

describe("a received name", () => {
  it("leads nowhere and hides nothing", () => {
    expect(safeName("../../etc/passwd")).toBe("passwd");
    expect(safeName("C:\\Windows\\system.ini")).toBe("system.ini");
    expect(safeName("Befund\u202Efdp.exe")).toBe("Befundfdp.exe");
    expect(safeName("a\u0000b\u200Bc\n.txt")).toBe("abc.txt");
    expect(safeName("...hidden")).toBe("hidden");
    expect(safeName("wie: was?.pdf")).toBe("wie_ was_.pdf");
    expect(safeName("/")).toBe("");
  });

  it("keeps its extension when it is cut, and does not cut through a character", () => {
    const cut = safeName(`${"Ä🩺".repeat(100)}.docx`);
    expect(utf8Length(cut)).toBeLessThanOrEqual(FILE_NAME_BYTES_MAX);
    expect(cut).toMatch(/….docx$/);
    expect(cut).not.toMatch(/\p{Cs}/u);
    const shown = shownName(`${"sehr lang ".repeat(20)}rechnung.pdf.exe`);
    expect([...shown].length).toBeLessThanOrEqual(60);
    expect(shown).toMatch(/rechnung\.pdf\.exe$/);
  });

  it("of a picture is not saved as a program", () => {
    expect(savedName("Foto.exe", "image/jpeg", "Datei")).toBe("Foto.exe.jpg");
    expect(savedName("Foto.JPEG", "image/jpeg", "Datei")).toBe("Foto.JPEG");
    expect(savedName("", "application/pdf", "Datei")).toBe("Datei");
    expect(savedName("\u202E", "image/png", "Datei")).toBe("Datei.png");
  });

  it("follows the type that a picture was given", () => {
    expect(renamed("Scan.png", "image/jpeg")).toBe("Scan.jpg");
    expect(renamed("Scan.jpeg", "image/jpeg")).toBe("Scan.jpeg");
    expect(renamed("Scan", "image/webp")).toBe("Scan.webp");
    expect(extensionOf(".htaccess")).toBe("");
  });
});

describe("sizes", () => {
  it("are read as a person reads them", () => {
    expect(sizeText(1, "de")).toBe("1 kB");
    expect(sizeText(284_000, "de")).toBe("284 kB");
    expect(sizeText(3_440_000, "de")).toBe("3,4 MB");
    expect(sizeText(3_440_000, "en")).toBe("3.4 MB");
    expect(sizeText(999_999, "en")).toBe("1 MB");
    expect(sizeText(FILE_BYTES_MAX, "de")).toBe("100 MB");
  });

  it("of a bubble follow the picture within limits, and never what a sender makes up", () => {
    expect(frameOf(4000, 3000)).toEqual({ width: 330, height: 248 });
    expect(frameOf(1000, 9000)).toEqual({ width: 132, height: 380 });
    expect(frameOf(16, 16)).toEqual({ width: 132, height: 132 });
    for (const [width, height] of [[0, 0], [-4, 3], [Number.NaN, 1], [1e9, 1], [Infinity, 2]] as const) expect(frameOf(width, height)).toEqual({ width: 280, height: 210 });
    expect(fitted(4000, 3000, 2560)).toEqual({ width: 2560, height: 1920 });
    expect(fitted(10_000, 1, 400)).toEqual({ width: 400, height: 1 });
  });
});

describe("what is picked", () => {
  const file = (bytes: number) => ({ name: "x.pdf", size: bytes, type: "" }) as File;
  const about: FileAbout = { name: "x.pdf", mime: "application/pdf", bytes: 1, width: 0, height: 0, durationMs: 0, thumbnail: null, caption: "" };
  const picked = (bytes: number, part: Partial<Picked> = {}): Picked => ({ key: 1, file: file(bytes), prepared: { kind: "document", parcel: { content: file(bytes), about }, original: null, tells: false }, asOriginal: false, caption: "", ...part });

  it("is refused when it is too large, empty or described too long", () => {
    expect(faultOf(picked(FILE_BYTES_MAX))).toBeNull();
    expect(faultOf(picked(FILE_BYTES_MAX + 1))).toBe("too-large");
    expect(faultOf(picked(0))).toBe("empty");
    expect(faultOf(picked(1, { caption: "ä".repeat(2049) }))).toBe("caption-too-long");
  });

  it("may be large as long as what is sent of it is not", () => {
    const big = picked(FILE_BYTES_MAX + 1);
    const smaller = { ...big, prepared: { ...big.prepared!, parcel: { content: file(1000), about }, original: { content: file(FILE_BYTES_MAX + 1), about } } };
    expect(faultOf(smaller)).toBeNull();
    expect(faultOf({ ...smaller, asOriginal: true })).toBe("too-large");
  });

  it("is at most so many at once, and says how many were left", () => {
    const { all, left } = added([], { files: Array.from({ length: PICKED_MAX + 3 }, () => file(1)), asOriginal: false, caption: "dazu", firstKey: 5 });
    expect([all.length, left, all[0]?.caption, all[1]?.caption, all[0]?.key]).toEqual([PICKED_MAX, 3, "dazu", "", 5]);
  });
});

describe("looking closely", () => {
  const stage = { width: 1000, height: 600 };
  const picture = { width: 800, height: 600 };

  it("keeps what is under the pointer where it is", () => {
    const at = { x: 200, y: -100 };
    const near = zoomed(FIT, 2, at, stage, picture);
    // The point of the picture that was at `at` was 200, -100 from its middle; at scale 2 it is twice as far.
    expect({ x: near.x + 200 * 2, y: near.y - 100 * 2 }).toEqual(at);
  });

  it("neither leaves the picture nor goes below its whole", () => {
    expect(moved({ scale: 2, x: 0, y: 0 }, { x: 9999, y: -9999 }, stage, picture)).toEqual({ scale: 2, x: 300, y: -300 });
    expect(zoomed({ scale: 2, x: 300, y: 300 }, 0.01, { x: 0, y: 0 }, stage, picture)).toEqual(FIT);
    expect(zoomed(FIT, 1000, { x: 0, y: 0 }, stage, picture).scale).toBe(8);
    expect(toggled(toggled(FIT, { x: 0, y: 0 }, stage, picture), { x: 0, y: 0 }, stage, picture)).toEqual(FIT);
  });
});

describe("contents on screen", () => {
  const message = (id: string, mime = "image/png"): Message => ({ conversation: "c", id, seq: 1, sender: "a", device: "d", sentAtMs: 0, state: "sent", error: null, body: { kind: "file", file: { name: "x", mime, bytes: 1, width: 0, height: 0, durationMs: 0, thumbnail: null, caption: "" } } });

  function watched(openFile: (conversation: string, id: string) => Promise<Blob>) {
    const live = new Map<string, Blob>();
    let made = 0;
    URL.createObjectURL = (blob) => (live.set(`blob:${(made += 1)}`, blob as Blob), `blob:${made}`);
    URL.revokeObjectURL = (url) => void live.delete(url);
    return { live, contents: new Contents({ openFile }) };
  }

  it("are fetched once and typed by the list", async () => {
    const openFile = vi.fn(async () => new Blob(["x"], { type: "text/html" }));
    const { live, contents } = watched(openFile);
    await Promise.all([contents.open(message("a")), contents.open(message("a"))]);
    await contents.open(message("a"));
    expect(openFile).toHaveBeenCalledTimes(1);
    expect([...live.values()].map((blob) => blob.type)).toEqual(["image/png"]);
  });

  it("get no address when they can only be saved", async () => {
    const { live, contents } = watched(async () => new Blob(["x"]));
    await contents.open(message("a", "image/svg+xml"));
    expect(live.size).toBe(0);
    expect(contents.get("a")).toEqual({ state: "absent", stopped: false });
  });

  it("are dropped and revoked when nothing shows them and there are many, those on screen never", async () => {
    const { live, contents } = watched(async () => new Blob(["x"]));
    const release = contents.hold("m0");
    for (let at = 0; at < 40; at += 1) await contents.open(message(`m${at}`));
    expect(live.size).toBe(25);
    expect(contents.get("m0").state).toBe("here");
    expect(contents.get("m1").state).toBe("absent");
    release();
    expect(live.size).toBe(24);
  });

  it("are dropped by their size too", async () => {
    const { live, contents } = watched(async () => ({ size: 40_000_000, slice: () => new Blob([]) }) as unknown as Blob);
    await contents.open(message("a"));
    await contents.open(message("b"));
    expect(live.size).toBe(1);
    expect(contents.get("b").state).toBe("here");
  });

  it("tell a cancelled fetch from a failed one, and can be asked again", async () => {
    const openFile = vi.fn<() => Promise<Blob>>().mockRejectedValueOnce(new DeviceError("cancelled", "")).mockRejectedValueOnce(new DeviceError("offline", "")).mockResolvedValue(new Blob(["x"]));
    const { contents } = watched(openFile);
    await expect(contents.open(message("a"))).rejects.toThrow();
    expect(contents.get("a")).toEqual({ state: "absent", stopped: true });
    await expect(contents.open(message("a"))).rejects.toThrow();
    expect(contents.get("a").state).toBe("failed");
    await contents.open(message("a"));
    expect(contents.get("a").state).toBe("here");
  });
});
