import { describe, expect, it, vi } from "vitest";
import { THUMBNAIL_BYTES_MAX } from "../src/device/contract";
import { type Codec, type Drawable, PICTURE_SIDE_MAX_PX, PNG_BYTES_MAX, prepare, thumbnailOf } from "../src/files/prepare";

/** A decoder and encoder whose results are as large as `bytes` says. */
function drawable(part: Partial<Drawable> = {}, bytes: (width: number, mime: string, quality: number) => number | null = (width) => width): Drawable {
  return {
    width: 4000,
    height: 3000,
    seeThrough: false,
    close: vi.fn(),
    encode: async (width, _height, mime, quality) => {
      const size = bytes(width, mime, quality);
      return size === null ? null : sized(size, mime);
    },
    ...part,
  };
}

function sized(size: number, type: string): Blob {
  return { size, type, arrayBuffer: async () => new ArrayBuffer(size) } as Blob;
}

function codec(part: Partial<Codec>): Codec {
  const refuse = () => Promise.reject(new Error("not decodable"));
  return { picture: refuse, film: refuse, ...part };
}

const file = (name: string, type: string) => new File(["content"], name, { type });

describe("preparing a picture", () => {
  it("makes it smaller, writes it anew, and keeps the original beside", async () => {
    const drawn = drawable();
    const prepared = await prepare(file("IMG_1.JPG", "image/jpeg"), codec({ picture: async () => drawn }));
    expect(prepared.parcel.about).toMatchObject({ name: "IMG_1.JPG", mime: "image/jpeg", width: PICTURE_SIDE_MAX_PX, height: 1920, bytes: PICTURE_SIDE_MAX_PX });
    expect(prepared.original?.about).toMatchObject({ mime: "image/jpeg", width: 4000, height: 3000, bytes: 7 });
    expect(prepared.original?.content).toBeInstanceOf(File);
    expect(prepared.tells).toBe(false);
    expect(drawn.close).toHaveBeenCalledTimes(1);
  });

  it("lets a GIF move", async () => {
    const prepared = await prepare(file("a.gif", "image/gif"), codec({ picture: async () => drawable() }));
    expect(prepared).toMatchObject({ kind: "picture", original: null, parcel: { about: { mime: "image/gif" } } });
    expect(prepared.parcel.content).toBeInstanceOf(File);
  });

  it("leaves a small PNG sharp, but a large one becomes a JPEG, or WebP where one sees through it", async () => {
    const png = (size: number, seeThrough = false, webp: number | null = 500) => prepare(file("a.png", "image/png"), codec({ picture: async () => drawable({ seeThrough }, (_, mime) => (mime === "image/png" ? size : mime === "image/webp" ? webp : 700)) }));
    expect((await png(PNG_BYTES_MAX)).parcel.about).toMatchObject({ mime: "image/png", name: "a.png" });
    expect((await png(PNG_BYTES_MAX + 1)).parcel.about).toMatchObject({ mime: "image/jpeg", name: "a.jpg" });
    expect((await png(PNG_BYTES_MAX + 1, true)).parcel.about).toMatchObject({ mime: "image/webp", name: "a.webp" });
    // Safari writes no WebP: then it stays a PNG rather than getting a black ground.
    expect((await png(PNG_BYTES_MAX + 1, true, null)).parcel.about.mime).toBe("image/png");
  });

  it("sends what it cannot decode as a document, and warns that it may tell where it was taken", async () => {
    const prepared = await prepare(file("kaputt.jpg", "image/jpeg"), codec({}));
    expect(prepared).toMatchObject({ kind: "document", tells: true, original: null, parcel: { about: { mime: "application/octet-stream", name: "kaputt.jpg", thumbnail: null } } });
    expect(await prepare(file("IMG_2.heic", "image/heic"), codec({}))).toMatchObject({ kind: "document", tells: true, parcel: { about: { mime: "image/heic" } } });
  });

  it("says when it could not be written anew", async () => {
    const prepared = await prepare(file("a.jpg", "image/jpeg"), codec({ picture: async () => drawable({}, () => null) }));
    expect(prepared).toMatchObject({ tells: true, original: null, parcel: { about: { thumbnail: null } } });
  });
});

describe("preparing other files", () => {
  it("takes a film's size, length and a picture of it, and changes nothing", async () => {
    const frame = drawable({ width: 1920, height: 1080 });
    const prepared = await prepare(file("a.mp4", "video/mp4"), codec({ film: async () => ({ durationMs: 4200, width: 1920, height: 1080, frame }) }));
    expect(prepared).toMatchObject({ kind: "video", tells: true, original: null, parcel: { about: { width: 1920, height: 1080, durationMs: 4200 } } });
    expect(prepared.parcel.about.thumbnail?.length).toBeGreaterThan(0);
    expect(frame.close).toHaveBeenCalledTimes(1);
  });

  it("keeps a film a film when no picture of it can be taken", async () => {
    const prepared = await prepare(file("a.mp4", "video/mp4"), codec({ film: async () => ({ durationMs: 0, width: 640, height: 360, frame: null }) }));
    expect(prepared).toMatchObject({ kind: "video", parcel: { about: { width: 640, thumbnail: null, mime: "video/mp4" } } });
  });

  it("takes a sound's length", async () => {
    const prepared = await prepare(file("a.mp3", "audio/mpeg"), codec({ film: async () => ({ durationMs: 900, width: 0, height: 0, frame: null }) }));
    expect(prepared).toMatchObject({ kind: "sound", tells: false, parcel: { about: { durationMs: 900, thumbnail: null } } });
  });

  it("only names a document, without its path", async () => {
    const prepared = await prepare(file("Ordner/Brief.pdf", "application/pdf"), codec({}));
    expect(prepared).toMatchObject({ kind: "document", tells: false, parcel: { about: { name: "Brief.pdf", mime: "application/pdf", bytes: 7 } } });
  });
});

describe("the small picture", () => {
  it("is made worse and smaller until it fits", async () => {
    const asked: [number, number][] = [];
    const thumbnail = await thumbnailOf(drawable({}, (width, mime, quality) => {
      if (mime === "image/webp") asked.push([width, quality]);
      return width > 250 ? THUMBNAIL_BYTES_MAX + 1 : THUMBNAIL_BYTES_MAX;
    }));
    expect(thumbnail?.length).toBe(THUMBNAIL_BYTES_MAX);
    expect(asked).toEqual([[400, 0.72], [400, 0.55], [320, 0.5], [240, 0.5]]);
  });

  it("is a JPEG where the browser writes no WebP, and missing when nothing fits", async () => {
    const types: string[] = [];
    expect((await thumbnailOf(drawable({}, (_, mime) => (types.push(mime), mime === "image/webp" ? null : 100))))?.length).toBe(100);
    expect(types).toEqual(["image/webp", "image/jpeg"]);
    expect(await thumbnailOf(drawable({}, () => THUMBNAIL_BYTES_MAX + 1))).toBeNull();
  });
});
