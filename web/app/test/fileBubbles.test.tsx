import { act, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "../src/App";
import { DeviceError, type Body, type FileAbout, type Message } from "../src/device/contract";
import { AUTO_BYTES_MAX } from "../src/files/useFile";
import { id, MemoryDevice, PEOPLE } from "./fixture";

const commands = (device: MemoryDevice, name: string) => device.asked.filter((one) => one.command === name).map((one) => one.with);
const urls = new Map<string, Blob>();

beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(2000);
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(60);
  urls.clear();
  let made = 0;
  URL.createObjectURL = (blob) => (urls.set(`blob:x/${(made += 1)}`, blob as Blob), `blob:x/${made}`);
  URL.revokeObjectURL = (url) => void urls.delete(url);
});

function about(name: string, mime: string, part: Partial<FileAbout> = {}): FileAbout {
  return { name, mime, bytes: 1000, width: 400, height: 300, durationMs: 0, thumbnail: null, caption: "", ...part };
}

const file = (...of: Parameters<typeof about>): Body => ({ kind: "file", file: about(...of) });

async function show(body: Body, { here = false, part = {}, from = PEOPLE.carla }: { here?: boolean; part?: Partial<Message>; from?: typeof PEOPLE.carla } = {}) {
  const device = new MemoryDevice();
  const message = device.deliver(id("carla"), from, body, part);
  if (here) device.files.set(message.id, new Blob(["content"]));
  const user = userEvent.setup();
  render(<App device={device} enrolmentCode={null} />);
  await user.click(await screen.findByRole("button", { name: /^Dr. Carla Rossi/ }));
  await screen.findByRole("textbox", { name: /^Nachricht an/ });
  return { device, user, message };
}

function saved() {
  const links: HTMLAnchorElement[] = [];
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function click(this: HTMLAnchorElement) {
    links.push(this);
  });
  return links;
}

describe("a picture", () => {
  it("comes by itself when it is seen and small", async () => {
    const { device, message } = await show(file("a.jpg", "image/jpeg", { bytes: AUTO_BYTES_MAX }), { here: true });
    expect(await screen.findByRole("button", { name: "Foto ansehen" })).toBeTruthy();
    expect(commands(device, "openFile")).toEqual([[id("carla"), message.id]]);
    expect([...urls.values()].map((blob) => blob.type)).toEqual(["image/jpeg"]);
  });

  it("waits for a tap when it is large, unless it is here already", async () => {
    const { device, user } = await show(file("a.jpg", "image/jpeg", { bytes: AUTO_BYTES_MAX + 1 }));
    await user.click(await screen.findByRole("button", { name: "Foto laden, 5 MB" }));
    expect(commands(device, "openFile")).toHaveLength(1);
  });

  it("that is large and here is shown at once", async () => {
    await show(file("a.jpg", "image/jpeg", { bytes: AUTO_BYTES_MAX + 1 }), { here: true });
    expect(await screen.findByRole("button", { name: "Foto ansehen" })).toBeTruthy();
  });

  it("that is none after all becomes a document", async () => {
    await show(file("a.jpg", "image/jpeg"), { here: true });
    const button = await screen.findByRole("button", { name: "Foto ansehen" });
    fireEvent.error(button.parentElement!.querySelector("img:last-of-type")!);
    expect(await screen.findByRole("button", { name: "a.jpg sichern, 1 kB" })).toBeTruthy();
  });

  it("shows its small picture while the large one is not here", async () => {
    const thumbnail = new Uint8Array([0xff, 0xd8, 0xff, 0xe0]);
    await show(file("a.jpg", "image/jpeg", { thumbnail, bytes: 6_000_000 }));
    await screen.findByRole("button", { name: /^Foto laden/ });
    expect([...urls.values()].map((blob) => blob.type)).toEqual(["image/jpeg"]);
  });

  it("shows no small picture that is something else", async () => {
    await show(file("b.jpg", "image/jpeg", { thumbnail: new TextEncoder().encode("<svg xmlns='x'>") as Uint8Array<ArrayBuffer>, bytes: 6_000_000 }));
    await screen.findByRole("button", { name: /^Foto laden/ });
    expect(urls.size).toBe(0);
  });
});

describe("what is on its way", () => {
  it("says how far it is, waits in words, and stops when told to", async () => {
    const { device, user, message } = await show(file("a.pdf", "application/pdf", { bytes: 4_000_000 }));
    await user.click(await screen.findByRole("button", { name: "a.pdf sichern, 4 MB" }));
    act(() => device.transfer(message.id, { direction: "down", done: 1_000_000, bytes: 4_000_000, waiting: false }));
    expect(screen.getByText("1 MB von 4 MB")).toBeTruthy();
    expect(screen.getByRole("progressbar", { name: "Wird geladen" }).getAttribute("aria-valuenow")).toBe("25");
    act(() => device.transfer(message.id, { direction: "down", done: 1_000_000, bytes: 4_000_000, waiting: true }));
    expect(screen.getByText("Wartet auf Verbindung")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Übertragung abbrechen" }));
    expect(commands(device, "cancelFile")).toEqual([[id("carla"), message.id]]);
    expect(await screen.findByRole("button", { name: "a.pdf sichern, 4 MB" })).toBeTruthy();
    expect(screen.queryByRole("alert", { name: "" })?.textContent ?? "").not.toContain("Abgebrochen");
  });

  it("and is one's own vanishes when it is cancelled", async () => {
    const { device, user, message } = await show(file("a.pdf", "application/pdf"), { from: PEOPLE.anna, part: { state: "sending" } });
    act(() => device.transfer(message.id, { direction: "up", done: 0, bytes: 1000, waiting: false }));
    await user.click(screen.getByRole("button", { name: "Übertragung abbrechen" }));
    await waitFor(() => expect(within(screen.getByRole("log")).queryByText("a.pdf")).toBeNull());
  });

  it("and fails says why, and is tried again", async () => {
    const device = new MemoryDevice();
    device.failing.set("openFile", new DeviceError("offline", "not connected"));
    const message = device.deliver(id("carla"), PEOPLE.carla, file("a.jpg", "image/jpeg"));
    device.files.set(message.id, new Blob(["x"]));
    const user = userEvent.setup();
    render(<App device={device} enrolmentCode={null} />);
    await user.click(await screen.findByRole("button", { name: /^Dr. Carla Rossi/ }));
    expect(await screen.findByText(/Nicht verbunden\. Versuchen/)).toBeTruthy();
    expect(commands(device, "openFile")).toHaveLength(1);
    await user.click(screen.getByRole("button", { name: "Erneut versuchen" }));
    expect(await screen.findByRole("button", { name: "Foto ansehen" })).toBeTruthy();
  });

  it("and was not sent can be sent again or discarded", async () => {
    const { device, user, message } = await show(file("a.pdf", "application/pdf"), { from: PEOPLE.anna, part: { state: "failed", error: "full" } });
    await user.click(await screen.findByRole("button", { name: "Erneut senden" }));
    expect(commands(device, "retry")).toEqual([[id("carla"), message.id]]);
  });
});

describe("a file that is too large", () => {
  it("is not to be split like a text", async () => {
    await show(file("a.pdf", "application/pdf"), { from: PEOPLE.anna, part: { state: "failed", error: "TooLarge" } });
    expect(await screen.findByText(/Diese Datei ist größer, als der Server annimmt/)).toBeTruthy();
    expect(screen.queryByText(/Teilen Sie die Nachricht auf/)).toBeNull();
  });
});

describe("saving", () => {
  it("gives a safe name, a type that nothing opens, and takes the address back", async () => {
    const links = saved();
    vi.useFakeTimers({ shouldAdvanceTime: true });
    try {
      const { user } = await show(file("../Befund\u202Efdp.exe", "application/pdf"), { here: true });
      await user.click(await screen.findByRole("button", { name: "Befundfdp.exe sichern, 1 kB" }));
      await waitFor(() => expect(links).toHaveLength(1));
      expect(links[0]?.download).toBe("Befundfdp.exe");
      expect(urls.get(links[0]?.href ?? "")?.type).toBe("application/octet-stream");
      await act(() => vi.advanceTimersByTimeAsync(60_000));
      expect(urls.size).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is in the menu of a picture too, and so is looking at it", async () => {
    const links = saved();
    const { user } = await show(file("Foto.exe", "image/jpeg"), { here: true });
    const button = await screen.findByRole("button", { name: "Foto ansehen" });
    await user.click(within(button.closest<HTMLElement>("[data-index]")!).getByRole("button", { name: "Aktionen für diese Nachricht" }));
    expect((await screen.findAllByRole("menuitem", { hidden: true })).map((item) => item.textContent)).toEqual(["Foto ansehen", "Auf dem Gerät sichern"]);
    await user.click(screen.getByRole("menuitem", { name: "Auf dem Gerät sichern", hidden: true }));
    await waitFor(() => expect(links.map((link) => link.download)).toEqual(["Foto.exe.jpg"]));
  });
});

describe("films and sound", () => {
  it("play in their place when tapped, not before", async () => {
    const { device, user } = await show(file("a.mp4", "video/mp4", { durationMs: 42_000, bytes: 12_400_000 }));
    expect(screen.getByText("0:42 · 12,4 MB")).toBeTruthy();
    expect(commands(device, "openFile")).toEqual([]);
    device.files.set(device.view().conversations.find((one) => one.id === id("carla"))!.last!.id, new Blob(["film"]));
    await user.click(screen.getByRole("button", { name: "Video abspielen" }));
    const film = await screen.findByLabelText<HTMLVideoElement>("Video", { selector: "video" });
    expect(urls.get(film.src)?.type).toBe("video/mp4");
    expect(film.controls).toBe(true);
    fireEvent.error(film);
    expect(await screen.findByRole("button", { name: /^a.mp4 sichern/ })).toBeTruthy();
  });

  it("of a type that is not on the list are documents", async () => {
    await show(file("a.html", "text/html"), { here: true });
    expect(await screen.findByRole("button", { name: "a.html sichern, 1 kB" })).toBeTruthy();
    expect(urls.size).toBe(0);
  });
});

describe("the viewer", () => {
  it("goes through the conversation's pictures, saves, and gives the focus back", async () => {
    const links = saved();
    const device = new MemoryDevice();
    const messages = ["a.jpg", "b.jpg"].map((name) => device.deliver(id("carla"), PEOPLE.carla, file(name, "image/jpeg", { caption: `Bild ${name}` })));
    for (const message of messages) device.files.set(message.id, new Blob([message.id]));
    const user = userEvent.setup();
    render(<App device={device} enrolmentCode={null} />);
    await user.click(await screen.findByRole("button", { name: /^Dr. Carla Rossi/ }));
    const opener = await screen.findByRole("button", { name: "Foto ansehen: Bild b.jpg" });
    await user.click(opener);
    const dialog = await screen.findByRole("dialog", { name: "Fotos dieser Unterhaltung" });
    expect(await within(dialog).findByText(/2 von 2/)).toBeTruthy();
    expect(await within(dialog).findByRole("img", { name: "Bild b.jpg" })).toBeTruthy();
    await user.keyboard("{ArrowRight}{ArrowLeft}");
    expect(await within(dialog).findByRole("img", { name: "Bild a.jpg" })).toBeTruthy();
    await user.click(within(dialog).getByRole("button", { name: "Auf dem Gerät sichern" }));
    await waitFor(() => expect(links.map((link) => link.download)).toEqual(["a.jpg"]));
    await user.click(within(dialog).getByRole("button", { name: "Nächstes Foto" }));
    await user.keyboard("{ArrowLeft}{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await waitFor(() => expect(document.activeElement).toBe(opener));
  });
});

describe("a place", () => {
  const place = (words: string, position: { latitude: number; longitude: number; accuracyM: number } | null): Body => ({ kind: "location", place: { words, position } });

  it("shows the words, the coordinates and a way to the device's own maps", async () => {
    const { user } = await show(place("Haus B / 2 / OP 3", { latitude: 53.590614, longitude: 9.97542, accuracyM: 12.4 }));
    expect(within(screen.getByRole("log")).getByText("Haus B / 2 / OP 3")).toBeTruthy();
    expect(screen.getByText("53.59061, 9.97542 · ± 12 m")).toBeTruthy();
    const link = screen.getByRole<HTMLAnchorElement>("link", { name: "In Karten öffnen" });
    expect(link.getAttribute("href")).toBe("geo:53.59061,9.97542");
    await user.click(screen.getByRole("button", { name: "Koordinaten kopieren" }));
    expect(await navigator.clipboard.readText()).toBe("53.59061, 9.97542");
  });

  it.each([[91, 1], [1, -180.5], [Number.NaN, 1], [1, Number.NaN]])("that cannot be (%d, %d) is not offered to a map", async (latitude, longitude) => {
    await show(place("Kiosk", { latitude, longitude, accuracyM: 1 }));
    expect(within(screen.getByRole("log")).getByText("Kiosk")).toBeTruthy();
    expect(screen.queryByRole("link", { name: "In Karten öffnen" })).toBeNull();
  });
});

describe("elsewhere", () => {
  it("the list and the screen reader say what came", async () => {
    const { device } = await show(file("x", "image/png", { caption: "Flur\nfrei" }));
    expect(screen.getByRole("button", { name: /Dr. Carla Rossi.*Foto: Flur frei/ })).toBeTruthy();
    act(() => void device.deliver(id("carla"), PEOPLE.carla, file("a\u202Eb.pdf", "application/pdf")));
    expect(await screen.findByText("Dr. Carla Rossi sendet: ab.pdf")).toBeTruthy();
    act(() => void device.deliver(id("carla"), PEOPLE.carla, { kind: "location", place: { words: "OP 3", position: null } }));
    expect(await screen.findByText("Dr. Carla Rossi sendet: Standort: OP 3")).toBeTruthy();
    act(() => void device.deliver(id("boris"), PEOPLE.boris, file("a", "video/mp4")));
    expect(screen.getByRole("button", { name: /Boris Weber.*Video/ })).toBeTruthy();
  });
});
