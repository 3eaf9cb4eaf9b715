// Broadcasts as people have them: told at once, watched with one tap, small while one reads on; and from the other side, before one is live and while one is.
import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "../src/App";
import { DeviceError } from "../src/device/contract";
import type { Studio } from "../src/media/studio";
import { broadcast, call, id, ME, MemoryDevice, type Options, PEOPLE } from "./fixture";

// jsdom draws nothing.
vi.mock("uplot", () => ({ default: class { setData(): void {} setSize(): void {} destroy(): void {} } }));

const TITLE = "Neue Beatmungsgeräte: Einweisung";
const ONE = id("broadcast");
const commands = (device: MemoryDevice, name: string) => device.asked.filter((one) => one.command === name).map((one) => one.with);
const stream = () => ({ getTracks: () => [] }) as unknown as MediaStream;

function open(options: Options = {}) {
  const device = new MemoryDevice({ channel: "reader", ...options });
  render(<App device={device} enrolmentCode={null} />);
  return { device, user: userEvent.setup() };
}

const live = (part: Parameters<typeof broadcast>[0] = {}): Options => ({ broadcasts: [broadcast(part)] });
const watched = (onAir: Options["onAir"] = {}): Options => ({ ...live({ part: "watches", here: true, viewers: 12 }), onAir: { stream: stream(), picture: "on", ...onAir } });
const own = { sender: ME, device: id("device-1") };
const sent = (onAir: Options["onAir"] = {}): Options => ({ channel: "operator", ...live({ ...own, part: "sends", here: true, viewers: 12 }), onAir });

const stage = () => screen.findByRole("dialog", { name: `Live-Übertragung: ${TITLE}` });
const openChannel = async (user: ReturnType<typeof userEvent.setup>) => {
  await user.click(screen.getByRole("button", { name: /^Aktuelles Innere Medizin/ }));
  await screen.findByRole("heading", { name: "Aktuelles Innere Medizin", level: 1 });
};

beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(700);
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(44);
  vi.spyOn(HTMLMediaElement.prototype, "play").mockResolvedValue();
});

describe("somebody who may watch", () => {
  it("is told at once, wherever in the page, and watches with one tap", async () => {
    const { device, user } = open();
    act(() => device.update(live() as { broadcasts: ReturnType<typeof broadcast>[] }));
    const told = await screen.findByRole("region", { name: "Live-Übertragung" });
    expect(within(told).getByText(TITLE)).toBeTruthy();
    expect(within(told).getByText(/^Prof. Dr. Frieda Lindqvist-Hohenstein ist live · Aktuelles/)).toBeTruthy();
    await user.click(within(told).getByRole("button", { name: `Ansehen: ${TITLE}` }));
    expect(commands(device, "joinBroadcast")).toEqual([[ONE]]);
    expect(await stage()).toBeTruthy();
  });

  it("puts it off, and finds it in the list and in the channel", async () => {
    const { user } = open(live());
    await user.click(screen.getByRole("button", { name: "Nicht jetzt" }));
    expect(screen.queryByRole("region", { name: "Live-Übertragung" })).toBeNull();
    expect(screen.getByRole("button", { name: /^Aktuelles Innere Medizin/ }).textContent).toContain("Live");
    await openChannel(user);
    expect(screen.getByRole("button", { name: `Ansehen: ${TITLE}` })).toBeTruthy();
  });

  it("is told why it cannot be watched", async () => {
    const { device, user } = open(live());
    device.failing.set("joinBroadcast", new DeviceError("UnknownCall", "over"));
    await user.click(screen.getByRole("button", { name: `Ansehen: ${TITLE}` }));
    expect(await screen.findByText("Diese Übertragung ist schon zu Ende.")).toBeTruthy();
  });

  it("sees in the timeline what is live and what was", async () => {
    const { device, user } = open(live());
    const body = { kind: "broadcast" as const, startedAtMs: Date.now(), title: TITLE };
    device.deliver(id("channel"), PEOPLE.frieda, { ...body, broadcast: id("earlier"), title: "Dienstplan" });
    device.deliver(id("channel"), PEOPLE.frieda, { ...body, broadcast: ONE });
    await openChannel(user);
    const [was, is] = await screen.findAllByRole("article");
    expect(was?.textContent).toMatch(/War live.*Dienstplan/);
    expect(within(was!).queryByRole("button")).toBeNull();
    await user.click(within(is!).getByRole("button", { name: `Ansehen: ${TITLE}` }));
    expect(commands(device, "joinBroadcast")).toEqual([[ONE]]);
  });

  it("learns that it plays in another window, and can leave it there", async () => {
    const { device, user } = open(live({ part: "watches" }));
    expect(screen.queryByRole("region", { name: "Live-Übertragung" })).toBeNull();
    await openChannel(user);
    expect(screen.getByText("Läuft in einem anderen Fenster")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Verlassen" }));
    expect(commands(device, "leaveBroadcast")).toEqual([[ONE]]);
  });
});

describe("the viewer's stage", () => {
  it("says what it is, who sends, how many watch and for how long", async () => {
    open(watched());
    const shown = within(await stage());
    expect(shown.getByRole("heading", { name: TITLE })).toBeTruthy();
    expect(shown.getByText("Prof. Dr. Frieda Lindqvist-Hohenstein · Aktuelles Innere Medizin")).toBeTruthy();
    expect(shown.getByText("12 sehen zu")).toBeTruthy();
    // As long as the test took, on top.
    expect(shown.getByRole("timer").textContent).toMatch(/^12:[345]\d$/);
    expect(shown.getByLabelText("Bild von Prof. Dr. Frieda Lindqvist-Hohenstein")).toBeTruthy();
  });

  it("is made small with Escape, plays on, and is left from the bar", async () => {
    const { device, user } = open(watched());
    await stage();
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(commands(device, "leaveBroadcast")).toEqual([]);
    expect(screen.getByLabelText("Bild von Prof. Dr. Frieda Lindqvist-Hohenstein")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Verlassen" }));
    expect(commands(device, "leaveBroadcast")).toEqual([[ONE]]);
    await waitFor(() => expect(screen.queryByLabelText(/^Bild von/)).toBeNull());
  });

  it("turns the sound off and on as loud as before", async () => {
    const { device, user } = open(watched({ volume: 0.6 }));
    const shown = within(await stage());
    await user.click(shown.getByRole("button", { name: "Ton ausschalten" }));
    await user.click(shown.getByRole("button", { name: "Ton einschalten" }));
    expect(commands(device, "setVolume")).toEqual([[0], [0.6]]);
    expect((shown.getByRole("slider", { name: "Lautstärke" }) as HTMLInputElement).value).toBe("60");
  });

  it("asks for a tap while the browser holds the sound back", async () => {
    const { user } = open(watched({ blocked: true }));
    await user.click(within(await stage()).getByRole("button", { name: /^Ton einschalten/ }));
    expect(screen.queryByText("Der Browser spielt den Ton erst, wenn Sie tippen.")).toBeNull();
  });

  it("says what is wrong: the own line before the sender's", async () => {
    const { device } = open(watched());
    const shown = within(await stage());
    act(() => device.broadcast(ONE, { state: "sender-lost" }));
    expect(shown.getByText(/^Die Verbindung von Prof. Dr. Frieda/).closest("[role=status]")).toBeTruthy();
    act(() => device.watch({ line: "lost" }));
    expect(shown.getByText("Verbindet sich neu …")).toBeTruthy();
    act(() => device.broadcast(ONE, { state: "live" }));
    act(() => device.watch({ line: "up", picture: "stalled" }));
    expect(shown.getByText("Das Bild steht: Das Netz ist dafür zu schwach")).toBeTruthy();
    act(() => device.watch({ picture: "off" }));
    expect(shown.getByText("Prof. Dr. Frieda Lindqvist-Hohenstein überträgt gerade kein Bild")).toBeTruthy();
  });

  it("gives way to a call", async () => {
    const { device } = open(watched());
    await stage();
    act(() => device.update({ call: call({ state: "talking", talkingSinceMs: Date.now() }) }));
    act(() => device.watch({ hushed: true }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(screen.getByText("Stumm während des Anrufs")).toBeTruthy();
  });

  it("says at the end that it is over, and why", async () => {
    const { device, user } = open(watched());
    await stage();
    act(() => device.broadcast(ONE, { state: "ended", end: "sender-lost", part: null, here: false }));
    const over = within(await screen.findByRole("dialog", { name: "Die Übertragung ist beendet" }));
    expect(over.getByText("Die Verbindung des Senders ist abgebrochen.")).toBeTruthy();
    await user.click(over.getByRole("button", { name: "Schließen" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });
});

describe("an operator who goes live", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    Reflect.deleteProperty(navigator, "mediaDevices");
  });

  /** jsdom mixes no sound: what the sheet needs of it. */
  function devices(refused: string[] = []) {
    const track = (kind: string) => ({ kind, stop: vi.fn(), addEventListener: () => undefined, getSettings: () => ({}), contentHint: "" });
    const tracks: ReturnType<typeof track>[] = [];
    const give = async (kind: string) => {
      if (refused.includes(kind)) throw Object.assign(new Error("no"), { name: "NotAllowedError" });
      const made = track(kind);
      tracks.push(made);
      return { getTracks: () => [made], getVideoTracks: () => [made], getAudioTracks: () => [] };
    };
    const node = () => ({ connect: () => undefined, disconnect: () => undefined, gain: { value: 1 }, getFloatTimeDomainData: () => undefined });
    class NoContext {
      resume = async () => undefined;
      close = async () => undefined;
      createGain = node;
      createAnalyser = node;
      createMediaStreamSource = node;
      createMediaStreamDestination = () => ({ ...node(), stream: { getAudioTracks: () => [track("mix")] } });
    }
    vi.stubGlobal("AudioContext", NoContext);
    vi.stubGlobal("MediaStream", class { getTracks = () => []; });
    const mediaDevices = { getUserMedia: ({ video }: MediaStreamConstraints) => give(video ? "camera" : "microphone"), getDisplayMedia: () => give("screen"), enumerateDevices: async () => [] };
    Object.defineProperty(navigator, "mediaDevices", { configurable: true, value: mediaDevices });
    return tracks;
  }

  async function sheet(refused: string[] = []) {
    const tracks = devices(refused);
    const { device, user } = open({ channel: "operator" });
    await openChannel(user);
    await user.click(screen.getByRole("button", { name: "Live gehen" }));
    const dialog = await screen.findByRole("dialog", { name: "Live gehen in „Aktuelles Innere Medizin“" });
    return { tracks, device, user, shown: within(dialog) };
  }

  it("sees the preview first, says what it is about, and is live", async () => {
    const { device, user, shown, tracks } = await sheet();
    expect(await shown.findByLabelText("Vorschau: So sehen Sie die anderen")).toBeTruthy();
    expect(shown.getByText(/^6 Personen sehen sofort/)).toBeTruthy();
    const go = shown.getByRole("button", { name: "Live gehen" }) as HTMLButtonElement;
    expect(go.disabled).toBe(true);
    await user.type(shown.getByRole("textbox", { name: "Worum geht es?" }), `${TITLE}{Enter}`);
    expect(commands(device, "startBroadcast")).toEqual([[id("channel"), TITLE]]);
    expect(within(await stage()).getByText(/^Sie sind live/)).toBeTruthy();
    // What it is made of is the broadcast's now.
    expect(tracks.every(({ stop }) => stop.mock.calls.length === 0)).toBe(true);
  });

  it("lets go of camera and microphone when it is called off", async () => {
    const { user, shown, tracks } = await sheet();
    await shown.findByLabelText("Vorschau: So sehen Sie die anderen");
    await user.click(shown.getByRole("button", { name: "Schließen" }));
    await waitFor(() => expect(tracks.length > 1 && tracks.every(({ stop }) => stop.mock.calls.length > 0)).toBe(true));
  });

  it("shows the screen instead, or nothing, and is told without blame when no screen is chosen", async () => {
    const { user, shown } = await sheet(["screen"]);
    await shown.findByLabelText("Vorschau: So sehen Sie die anderen");
    await user.click(shown.getByRole("button", { name: "Bildschirm" }));
    await waitFor(() => expect(shown.getByRole("button", { name: "Kamera" }).getAttribute("aria-pressed")).toBe("true"));
    expect(shown.queryByText("Der Bildschirm kann nicht gezeigt werden.")).toBeNull();
    expect(shown.queryByRole("alert")?.textContent ?? "").toBe("");
    await user.click(shown.getByRole("button", { name: "Nur Ton" }));
    expect(await shown.findByText("Nur Ton, ohne Bild")).toBeTruthy();
  });

  it("cannot without anything to send, and is told why one is there already", async () => {
    const { shown } = await sheet(["camera", "microphone"]);
    expect(await shown.findByText("Ohne Mikrofon und ohne Bild gibt es nichts zu übertragen.")).toBeTruthy();
  });

  it("is told when somebody else is live by then", async () => {
    const { device, user, shown, tracks } = await sheet();
    await shown.findByLabelText("Vorschau: So sehen Sie die anderen");
    device.failing.set("startBroadcast", new DeviceError("Busy", "live already"));
    await user.type(shown.getByRole("textbox", { name: "Worum geht es?" }), `${TITLE}{Enter}`);
    expect(await shown.findByText("In diesem Kanal läuft schon eine Übertragung.")).toBeTruthy();
    expect(tracks.every(({ stop }) => stop.mock.calls.length === 0)).toBe(true);
  });

  it("goes on after an interruption, or ends it", async () => {
    const tracks = devices();
    const { device, user } = open({ channel: "operator", ...live(own) });
    const told = within(await screen.findByRole("region", { name: "Ihre Übertragung wurde unterbrochen" }));
    await user.click(told.getByRole("button", { name: "Fortsetzen" }));
    const dialog = within(await screen.findByRole("dialog", { name: /^Übertragung fortsetzen/ }));
    await dialog.findByLabelText("Vorschau: So sehen Sie die anderen");
    await user.click(dialog.getByRole("button", { name: "Fortsetzen" }));
    expect(commands(device, "resumeBroadcast")).toEqual([[ONE]]);
    expect(await stage()).toBeTruthy();
    // The sheet is gone with what was interrupted; camera and microphone go on.
    expect(tracks.every(({ stop }) => stop.mock.calls.length === 0)).toBe(true);
  });

  it("is not offered to readers, nor while one is live", async () => {
    const { device, user } = open();
    await openChannel(user);
    expect(screen.queryByRole("button", { name: "Live gehen" })).toBeNull();
    act(() => device.update({ conversations: device.view().conversations.map((one) => (one.id === id("channel") ? { ...one, maySpeak: true } : one)) }));
    expect(screen.getByRole("button", { name: "Live gehen" })).toBeTruthy();
    act(() => device.update({ broadcasts: [broadcast()] }));
    expect(screen.queryByRole("button", { name: "Live gehen" })).toBeNull();
  });
});

describe("an operator who is live", () => {
  it("mutes, changes what is shown, and ends it after being asked", async () => {
    const { device, user } = open(sent());
    const studio = { mute: vi.fn(), show: vi.fn(async () => undefined), openMicrophone: vi.fn() };
    device.studioHere = studio as unknown as Studio;
    act(() => device.produce({}));
    const shown = within(await stage());
    await user.click(shown.getByRole("button", { name: "Mikrofon ausschalten" }));
    expect(studio.mute).toHaveBeenCalledWith(true);
    await user.click(shown.getByRole("button", { name: "Kamera zeigen" }));
    expect(studio.show).toHaveBeenCalledWith("camera");
    act(() => device.produce({ picture: "camera", own: stream() }));
    await user.click(shown.getByRole("button", { name: "Kamera ausschalten" }));
    expect(studio.show).toHaveBeenLastCalledWith(null);
    await user.click(shown.getByRole("button", { name: "Beenden" }));
    expect(commands(device, "stopBroadcast")).toEqual([]);
    await user.click(await screen.findByRole("button", { name: "Übertragung beenden" }));
    expect(commands(device, "stopBroadcast")).toEqual([[ONE]]);
  });

  it("is told that nobody gets anything while the line is gone", async () => {
    const { device } = open(sent());
    const shown = within(await stage());
    act(() => device.produce({}, "lost"));
    expect(shown.getByText("Ihre Verbindung ist unterbrochen und wird wiederhergestellt …")).toBeTruthy();
  });

  it("asks for no figures before the status page is open, and says while there are none", async () => {
    const { device, user } = open(sent());
    const shown = within(await stage());
    expect(commands(device, "broadcastReport")).toEqual([]);
    await user.click(shown.getByRole("button", { name: "Zustand der Übertragung" }));
    const dialog = await screen.findByRole("dialog", { name: "Zustand der Übertragung" });
    expect(await within(dialog).findByText(/^Noch keine Zahlen/)).toBeTruthy();
    expect(commands(device, "broadcastReport").length).toBeGreaterThan(0);
  });
});
