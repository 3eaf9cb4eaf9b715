import { act, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "../src/App";
import { DeviceError, type FileAbout } from "../src/device/contract";
import { browserCodec } from "../src/files/codec";
import type { Drawable } from "../src/files/prepare";
import { id, MemoryDevice } from "./fixture";

const commands = (device: MemoryDevice, name: string) => device.asked.filter((one) => one.command === name).map((one) => one.with);
const sentFiles = (device: MemoryDevice) => commands(device, "sendFile").map(([, , about]) => about as FileAbout);

beforeEach(() => {
  const drawn: Drawable = { width: 4000, height: 3000, seeThrough: false, close: () => undefined, encode: async (width, _, type) => new Blob([`${width}`], { type }) };
  vi.spyOn(browserCodec, "picture").mockImplementation(async (content) => (content.type === "image/heic" ? Promise.reject(new Error("not decodable")) : drawn));
  vi.spyOn(browserCodec, "film").mockRejectedValue(new Error("not decodable"));
});

// jsdom lays nothing out, so an open menu counts as hidden there.
async function open(device = new MemoryDevice()) {
  const user = userEvent.setup({ applyAccept: false });
  render(<App device={device} enrolmentCode={null} />);
  await user.click(await screen.findByRole("button", { name: /^Dr. Carla Rossi/ }));
  const field = await screen.findByRole<HTMLTextAreaElement>("textbox", { name: /^Nachricht an/ });
  return { device, user, field };
}

const input = (name: string) => document.querySelector<HTMLInputElement>(`[data-picker="${name}"]`)!;
const picture = (name = "IMG_1.jpg", type = "image/jpeg") => new File(["photo"], name, { type });
const sheet = () => screen.findByRole("dialog", { name: "An Dr. Carla Rossi senden" });

describe("attaching", () => {
  it("offers pictures, documents and a place; the camera only where there is a finger", async () => {
    const { user } = await open();
    await user.click(screen.getByRole("button", { name: "Anhängen" }));
    expect((await screen.findAllByRole("menuitem", { hidden: true })).map((item) => item.textContent)).toEqual(["Fotos und Videos", "Dokument", "Standort"]);
    expect(input("camera").getAttribute("capture")).toBe("environment");
    expect(input("pictures").multiple).toBe(true);
  });

  it("sends what was picked in its order, made smaller, with its captions", async () => {
    const { device, user } = await open();
    await user.upload(input("pictures"), [picture("a.jpg"), picture("b.jpg")]);
    const dialog = await sheet();
    expect(await within(dialog).findByText("Aufnahmeort und Kameradaten werden nicht mitgesendet.")).toBeTruthy();
    await user.type(within(dialog).getByRole("textbox", { name: "Text zu a.jpg" }), "eins");
    await user.click(within(dialog).getByRole("button", { name: "Datei 2 ansehen: b.jpg" }));
    await user.type(within(dialog).getByRole("textbox", { name: "Text zu b.jpg" }), " zwei {Enter}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(commands(device, "sendFile").map(([conversation]) => conversation)).toEqual([id("carla"), id("carla")]);
    expect(sentFiles(device)).toMatchObject([{ name: "a.jpg", caption: "eins", width: 2560, height: 1920 }, { name: "b.jpg", caption: "zwei" }]);
  });

  it("sends the original when asked, and says what that may tell", async () => {
    const { device, user } = await open();
    await user.upload(input("pictures"), [picture("a.jpg"), picture("b.jpg")]);
    const dialog = await sheet();
    await user.click(await within(dialog).findByRole("switch", { name: "Originalqualität" }));
    expect(within(dialog).getByText(/kann verraten, wo und wann/)).toBeTruthy();
    await user.click(within(dialog).getByRole("button", { name: "2 Dateien senden" }));
    await waitFor(() => expect(sentFiles(device)).toMatchObject([{ width: 4000, mime: "image/jpeg" }, { width: 4000 }]));
    expect(commands(device, "sendFile")[0]?.[1]).toBeInstanceOf(File);
  });

  it("takes a picture that was picked as a document as it is", async () => {
    const { device, user } = await open();
    await user.upload(input("documents"), [picture()]);
    const send = within(await sheet()).getByRole<HTMLButtonElement>("button", { name: "1 Datei senden" });
    await waitFor(() => expect(send.disabled).toBe(false));
    await user.click(send);
    await waitFor(() => expect(sentFiles(device)).toMatchObject([{ width: 4000 }]));
  });

  it("leaves out what is removed", async () => {
    const { device, user } = await open();
    await user.upload(input("pictures"), [picture("a.jpg"), picture("b.jpg")]);
    const dialog = await sheet();
    await user.click(within(dialog).getByRole("button", { name: "a.jpg entfernen" }));
    const send = await within(dialog).findByRole<HTMLButtonElement>("button", { name: "1 Datei senden" });
    await waitFor(() => expect(send.disabled).toBe(false));
    await user.click(send);
    await waitFor(() => expect(sentFiles(device).map((about) => about.name)).toEqual(["b.jpg"]));
  });

  it("names the limit for what is too large, and sends nothing", async () => {
    const { device, user } = await open();
    const large = new File(["x"], "CT.zip", { type: "application/zip" });
    Object.defineProperty(large, "size", { value: 100_000_001 });
    await user.upload(input("documents"), [large]);
    const dialog = await sheet();
    expect(await within(dialog).findByText("„CT.zip“ ist zu groß: höchstens 100 MB je Datei.")).toBeTruthy();
    await user.type(within(dialog).getByRole("textbox"), "{Enter}");
    expect(within(dialog).getByRole<HTMLButtonElement>("button", { name: "1 Datei senden" }).disabled).toBe(true);
    expect(commands(device, "sendFile")).toEqual([]);
  });

  it("keeps what could not be sent, with the reason", async () => {
    const { device, user } = await open();
    await user.upload(input("pictures"), [picture("a.jpg"), picture("b.jpg")]);
    const dialog = await sheet();
    const send = within(dialog).getByRole<HTMLButtonElement>("button", { name: "2 Dateien senden" });
    await waitFor(() => expect(send.disabled).toBe(false));
    device.failing.set("sendFile", new DeviceError("storage", "no space"));
    await user.click(send);
    expect(await within(dialog).findByText(/Der Browser kann nichts speichern/)).toBeTruthy();
    expect(within(dialog).getByRole("list", { name: "2 Dateien ausgewählt" })).toBeTruthy();
    await user.click(within(dialog).getByRole("button", { name: "2 Dateien senden" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(sentFiles(device).map((about) => about.name)).toEqual(["a.jpg", "a.jpg", "b.jpg"]);
  });

  it("takes along what was typed already, and gives it back when nothing is sent", async () => {
    const { device, user, field } = await open();
    await user.type(field, "Bitte ansehen");
    await user.upload(input("pictures"), [picture()]);
    await sheet();
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(field.value).toBe("Bitte ansehen");
    await user.upload(input("pictures"), [picture()]);
    const send = within(await sheet()).getByRole<HTMLButtonElement>("button", { name: "1 Datei senden" });
    await waitFor(() => expect(send.disabled).toBe(false));
    await user.click(send);
    await waitFor(() => expect(field.value).toBe(""));
    expect(sentFiles(device)).toMatchObject([{ caption: "Bitte ansehen" }]);
  });
});

describe("pasting and dropping", () => {
  it("takes a picture from the clipboard, but text as text even when a picture of it comes along", async () => {
    const { field } = await open();
    fireEvent.paste(field, { clipboardData: { files: [picture("image.png", "image/png")], types: ["text/plain", "Files"], items: [] } });
    expect(screen.queryByRole("dialog")).toBeNull();
    fireEvent.paste(field, { clipboardData: { files: [picture("image.png", "image/png")], types: ["Files"], items: [] } });
    expect(await sheet()).toBeTruthy();
  });

  it("takes what is dropped on the conversation, without folders", async () => {
    const { device, user } = await open();
    const timeline = screen.getByRole("log");
    const folder = { kind: "file", webkitGetAsEntry: () => ({ isDirectory: true }) };
    const item = { kind: "file", webkitGetAsEntry: () => ({ isDirectory: false }) };
    const dataTransfer = { files: [new File([], "Ordner"), picture("a.jpg")], items: [folder, item], types: ["Files"] };
    fireEvent.dragEnter(timeline, { dataTransfer });
    expect(screen.getByText("Zum Senden hier ablegen")).toBeTruthy();
    fireEvent.drop(timeline, { dataTransfer });
    expect(screen.queryByText("Zum Senden hier ablegen")).toBeNull();
    const send = within(await sheet()).getByRole<HTMLButtonElement>("button", { name: "1 Datei senden" });
    await waitFor(() => expect(send.disabled).toBe(false));
    await user.click(send);
    await waitFor(() => expect(sentFiles(device).map((about) => about.name)).toEqual(["a.jpg"]));
  });

  it("beside the conversation does not replace the page", async () => {
    await open();
    const missed = fireEvent.drop(screen.getByRole("region", { name: "Unterhaltungen" }), { dataTransfer: { files: [picture()], items: [], types: ["Files"] } });
    expect(missed).toBe(false);
    expect(screen.queryByRole("dialog")).toBeNull();
  });
});

describe("a place", () => {
  type Told = (position: { coords: { latitude: number; longitude: number; accuracy: number } }) => void;
  function located() {
    const told: { fix?: Told; fail?: (error: { code: number }) => void; cleared: number } = { cleared: 0 };
    vi.stubGlobal("navigator", Object.assign(Object.create(navigator), {
      geolocation: {
        watchPosition: (fix: Told, fail: (error: { code: number }) => void, options: PositionOptions) => {
          expect(options.enableHighAccuracy).toBe(true);
          Object.assign(told, { fix, fail });
          return 7;
        },
        clearWatch: (watch: number) => (expect(watch).toBe(7), (told.cleared += 1)),
      },
    }));
    return told;
  }

  async function openPlace() {
    const opened = await open();
    await opened.user.click(screen.getByRole("button", { name: "Anhängen" }));
    await opened.user.click(await screen.findByRole("menuitem", { name: "Standort", hidden: true }));
    return { ...opened, dialog: await screen.findByRole("dialog", { name: "Standort an Dr. Carla Rossi" }) };
  }

  it("in words is enough", async () => {
    const { device, user, dialog } = await openPlace();
    expect(within(dialog).getByRole<HTMLButtonElement>("button", { name: "Standort senden" }).disabled).toBe(true);
    await user.type(within(dialog).getByRole("textbox", { name: "Ort in Worten" }), " Haus B / 2 / OP 3 {Enter}");
    await waitFor(() => expect(commands(device, "sendLocation")).toEqual([[id("carla"), { words: "Haus B / 2 / OP 3", position: null }]]));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  it("is looked for until it is good, and nothing is watched afterwards", async () => {
    const told = located();
    const { device, user, dialog } = await openPlace();
    await user.click(within(dialog).getByRole("button", { name: "Meine Position hinzufügen" }));
    const fix = (latitude: number, accuracy: number) => act(() => told.fix?.({ coords: { latitude, longitude: 9.9, accuracy } }));
    fix(53.1, 900);
    expect(await within(dialog).findByText(/± 900 m/)).toBeTruthy();
    // A worse one does not replace a better one.
    fix(54.1, 2000);
    expect(within(dialog).getByText(/53.10000, 9.90000 · ± 900 m/)).toBeTruthy();
    expect(told.cleared).toBe(0);
    fix(53.2, 9);
    expect(await within(dialog).findByText("Position hinzugefügt")).toBeTruthy();
    expect(told.cleared).toBe(1);
    await user.click(within(dialog).getByRole("button", { name: "Standort senden" }));
    await waitFor(() => expect(commands(device, "sendLocation")).toEqual([[id("carla"), { words: "", position: { latitude: 53.2, longitude: 9.9, accuracyM: 9 } }]]));
  });

  it.each([[1, /nicht erlaubt/], [2, /lässt sich hier nicht bestimmen/], [3, /nicht rechtzeitig/]])("that is not found (%i) says why, and words still go", async (code, words) => {
    const told = located();
    const { device, user, dialog } = await openPlace();
    await user.click(within(dialog).getByRole("button", { name: "Meine Position hinzufügen" }));
    told.fail?.({ code });
    expect((await within(dialog).findByText(words)).closest('[role="alert"]')).toBeTruthy();
    await user.type(within(dialog).getByRole("textbox"), "Kiosk{Enter}");
    await waitFor(() => expect(commands(device, "sendLocation")).toHaveLength(1));
  });
});
