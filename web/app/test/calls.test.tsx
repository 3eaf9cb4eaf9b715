// Calls as people have them: with pictures, from the list of calls, over a line that breaks.
import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "../src/App";
import { DeviceError } from "../src/device/contract";
import { call, id, MemoryDevice, type Options } from "./fixture";

const commands = (device: MemoryDevice, name: string) => device.asked.filter((one) => one.command === name).map((one) => one.with);
const stream = () => ({}) as MediaStream;

function open(options: Options = {}) {
  const device = new MemoryDevice(options);
  render(<App device={device} enrolmentCode={null} />);
  return { device, user: userEvent.setup() };
}

const talking = (part: Partial<Options["live"]> = {}): Options => ({
  call: call({ state: "talking", talkingSinceMs: Date.now(), video: true }),
  live: { camera: "on", own: stream(), peer: stream(), peerCamera: true, line: "up", ...part },
});

beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(700);
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(44);
  // jsdom plays nothing.
  vi.spyOn(HTMLMediaElement.prototype, "play").mockResolvedValue();
});

describe("a video call", () => {
  it("is placed from the head of a conversation and shown large", async () => {
    const { device, user } = open();
    await user.click(screen.getByRole("button", { name: /^Dr. Carla Rossi/ }));
    await user.click(screen.getByRole("button", { name: "Videoanruf mit Dr. Carla Rossi" }));
    expect(commands(device, "startCall")).toEqual([[id("carla"), true]]);
    expect(await screen.findByRole("dialog", { name: "Anruf mit Dr. Carla Rossi" })).toBeTruthy();
    expect(screen.getByText("Es klingelt …")).toBeTruthy();
  });

  it("rings as one, and can be answered without the camera", async () => {
    const { device, user } = open({ call: call({ direction: "incoming", video: true }) });
    const ringing = await screen.findByRole("dialog", { name: "Eingehender Videoanruf von Dr. Carla Rossi" });
    await user.click(within(ringing).getByRole("button", { name: "Ohne Kamera annehmen" }));
    expect(commands(device, "acceptCall")).toEqual([[false]]);
  });

  it("shows the other large and oneself in a mirror, and says when the other's camera is off", async () => {
    const { device } = open(talking());
    expect(await screen.findByLabelText("Bild von Dr. Carla Rossi")).toBeTruthy();
    expect(screen.getByLabelText("Ihr eigenes Bild").dataset["mirrored"]).toBe("true");
    act(() => device.hear({ peerCamera: false }));
    expect(screen.queryByLabelText("Bild von Dr. Carla Rossi")).toBeNull();
    expect(screen.getByText("Kamera von Dr. Carla Rossi ist aus")).toBeTruthy();
  });

  it("says that the picture is stuck, and not that the camera is off, when the network holds it up", async () => {
    const { device } = open(talking());
    act(() => device.hear({ peerStalled: true }));
    expect(await screen.findByText("Das Bild steht: Das Netz ist dafür zu schwach")).toBeTruthy();
    expect(screen.queryByText("Kamera von Dr. Carla Rossi ist aus")).toBeNull();
    act(() => device.hear({ peerStalled: false }));
    expect(screen.queryByText("Das Bild steht: Das Netz ist dafür zu schwach")).toBeNull();
  });

  it("turns the own camera off and on, and says why it does not go on", async () => {
    const { device, user } = open(talking());
    await user.click(await screen.findByRole("button", { name: "Kamera ausschalten" }));
    expect(commands(device, "setCamera")).toEqual([[false]]);
    device.failing.set("setCamera", new DeviceError("camera", "NotReadableError"));
    await user.click(screen.getByRole("button", { name: "Kamera einschalten" }));
    expect(await screen.findByText(/Kein Zugriff auf die Kamera/)).toBeTruthy();
  });

  it("can be ended while the browser still asks for the camera", async () => {
    const { device, user } = open(talking({ camera: "off", own: null }));
    device.setCamera = () => new Promise(() => undefined);
    await user.click(await screen.findByRole("button", { name: "Kamera einschalten" }));
    await user.click(screen.getByRole("button", { name: "Mikrofon ausschalten" }));
    await user.click(screen.getByRole("button", { name: "Auflegen" }));
    expect(commands(device, "setMuted")).toEqual([[true]]);
    expect(commands(device, "hangUp")).toHaveLength(1);
  });

  it("is made small with Escape and large again, and goes on", async () => {
    const { device, user } = open(talking());
    await screen.findByRole("dialog", { name: "Anruf mit Dr. Carla Rossi" });
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(commands(device, "hangUp")).toEqual([]);
    await user.click(screen.getByRole("button", { name: "Anruf vergrößern" }));
    expect(await screen.findByRole("dialog", { name: "Anruf mit Dr. Carla Rossi" })).toBeTruthy();
  });

  it("grows out of a voice call when the own camera goes on", async () => {
    const { device, user } = open({ call: call({ state: "talking", talkingSinceMs: Date.now() }), live: { line: "up" } });
    expect(screen.queryByRole("dialog")).toBeNull();
    await user.click(screen.getByRole("button", { name: "Kamera einschalten" }));
    expect(commands(device, "setCamera")).toEqual([[true]]);
    expect(await screen.findByRole("dialog", { name: "Anruf mit Dr. Carla Rossi" })).toBeTruthy();
  });
});

describe("the line of a call", () => {
  it("is put in a word, with the numbers on demand", async () => {
    const { user } = open({ ...talking({ quality: { grade: "weak", rttMs: 231.4, lossPercent: 4.25, jitterMs: 18 } }) });
    await user.click(await screen.findByRole("button", { name: "Verbindung schwach: Einzelheiten" }));
    expect(await screen.findByText("231 ms")).toBeTruthy();
    expect(screen.getByText("4.3 %")).toBeTruthy();
  });

  it("is said to be made anew while it is gone", async () => {
    const { device } = open(talking());
    act(() => device.hear({ line: "lost" }));
    const said = await screen.findAllByText("Verbindet sich neu …");
    expect(said.some((element) => element.getAttribute("role") === "status")).toBe(true);
  });
});

describe("microphone, camera and loudspeaker", () => {
  const devices = (...labels: string[]) =>
    labels.map((label) => ({ kind: label.startsWith("Cam") ? "videoinput" : "audioinput", deviceId: label, label, groupId: "" }) as MediaDeviceInfo);
  const plugged = (...labels: string[]) =>
    vi.stubGlobal("navigator", Object.assign(Object.create(navigator) as Navigator, { mediaDevices: { enumerateDevices: async () => devices(...labels) } }));
  afterEach(() => void vi.unstubAllGlobals());

  it("are chosen in a call and remembered", async () => {
    plugged("Headset", "Cam front", "Cam ward");
    const { device, user } = open(talking());
    await user.click(await screen.findByRole("button", { name: "Mikrofon, Kamera und Lautsprecher wählen" }));
    await user.click(await screen.findByRole("menuitemradio", { name: "Cam ward" }));
    expect(localStorage.getItem("wardline-camera")).toBe("Cam ward");
    expect(commands(device, "rechooseDevice")).toEqual([["camera"]]);
  });

  it("are chosen in the settings, and what is gone is the default", async () => {
    localStorage.setItem("wardline-microphone", "Unplugged");
    plugged("Headset", "Desk", "Cam front");
    const { user } = open();
    await user.click(screen.getByRole("button", { name: "Einstellungen" }));
    const microphone = (await screen.findByLabelText("Mikrofon")) as HTMLSelectElement;
    expect(microphone.selectedOptions[0]?.textContent).toBe("Standard des Systems");
    await user.selectOptions(microphone, "Desk");
    expect(localStorage.getItem("wardline-microphone")).toBe("Desk");
    await user.selectOptions(microphone, "Standard des Systems");
    expect(localStorage.getItem("wardline-microphone")).toBeNull();
  });
});

describe("the list of calls", () => {
  it("has all of them, newest first, and counts the missed ones as seen", async () => {
    const { device, user } = open({ missedCalls: 2 });
    await user.click(screen.getByRole("button", { name: /^Anrufe/ }));
    const list = screen.getByRole("navigation", { name: "Anrufe" });
    await within(list).findAllByText(/Verpasster Anruf/);
    const words = within(list).getAllByRole("listitem").map((row) => row.textContent);
    expect(words.map((text) => /(Verpasster Anruf|Ausgehender Videoanruf .* · 3:07)/.exec(text ?? "")?.[0].slice(0, 16))).toEqual([
      "Verpasster Anruf", "Ausgehender Vide", "Verpasster Anruf",
    ]);
    expect(commands(device, "markCallsSeen")).toHaveLength(1);
    expect(screen.queryByText("2 verpasste Anrufe")).toBeNull();
  });

  it("calls back in the way of the call", async () => {
    const { device, user } = open();
    await user.click(screen.getByRole("button", { name: /^Anrufe/ }));
    await user.click(await screen.findByRole("button", { name: "Dr. Carla Rossi mit Video zurückrufen" }));
    expect(commands(device, "startCall")).toEqual([[id("carla"), true]]);
  });

  it("stays beside the conversation that it opens", async () => {
    const { user } = open();
    await user.click(screen.getByRole("button", { name: /^Anrufe/ }));
    const list = screen.getByRole("navigation", { name: "Anrufe" });
    await user.click((await within(list).findAllByRole("button", { name: /Deniz Yilmaz.*Verpasster/ }))[0] as HTMLElement);
    expect(screen.getByRole("heading", { name: "Deniz Yilmaz" })).toBeTruthy();
    expect(screen.getByRole("navigation", { name: "Anrufe" })).toBeTruthy();
  });
});
