// Shows one scene with the device from memory. The address says which: ?scene=…&theme=…&language=…
import "../../src/look/styles";
import { createRoot } from "react-dom/client";
import { App } from "../../src/App";
import { browserCodec } from "../../src/files/codec";
import { prepare } from "../../src/files/prepare";
import { startLanguage, type Language } from "../../src/i18n/language";
import type { Place } from "../../src/shell/place";
import { furnishFiles, furnishPlaces, furnishPreviews, furnishTransfers } from "./furnish";
import { corridor, ecg, film, lecture, xray } from "./samples";
import type { Watching, Sending } from "../../src/media/broadcast";
import { broadcast, call, id, ME, MemoryDevice, notice, PEOPLE, type Options } from "../fixture";
import { reports } from "./reports";

interface Scene {
  options?: Options;
  /** What of a call is made when its scene is shown: a picture draws all the time, which the others must not pay for. */
  live?: () => Options["live"];
  /** The same of a broadcast. */
  onAir?: () => Options["onAir"];
  place?: Partial<Place>;
  code?: string;
  prepare?: (device: MemoryDevice) => void | Promise<void>;
}

const conversation = (name: string): Partial<Place> => ({ main: { kind: "conversation", conversation: id(name) } });
const now = Date.now();

function video(): Options {
  return { call: call({ state: "talking", talkingSinceMs: now - 187_000, video: true }) };
}

const LIVE = { title: "Neue Beatmungsgeräte: Einweisung für alle Stationen", viewers: 143 };

/** Somebody is live in a channel, and this person does this in it. */
function live(part: Parameters<typeof broadcast>[0] = {}, channel: Options["channel"] = "reader"): Options {
  return { channel, broadcasts: [broadcast({ ...LIVE, startedAtMs: now - 754_000, ...part })] };
}

const watched = (part: Parameters<typeof broadcast>[0] = {}) => live({ part: "watches", here: true, ...part });
const sent = (part: Parameters<typeof broadcast>[0] = {}) => live({ part: "sends", here: true, sender: ME, device: id("device-1"), ...part }, "operator");
const GOOD = { grade: "good", rttMs: 18, lossPercent: 0, jitterMs: 3 } as const;

function watching(part: Partial<Watching> = {}): Partial<Watching> {
  return { stream: lecture(), picture: "on", volume: 0.8, quality: GOOD, ...part };
}

function sending(part: Partial<Sending["studio"]> = {}): Partial<Sending> {
  return { quality: GOOD, studio: { picture: "camera", own: lecture(), mirrored: false, microphone: "on", muted: false, screenSound: false, failure: null, ...part } };
}

/** Its card in the timeline. */
function told(device: MemoryDevice, from = PEOPLE.frieda): void {
  const [one] = device.view().broadcasts;
  if (!one) return;
  device.deliver(id("channel"), from, { kind: "broadcast", broadcast: id("earlier"), startedAtMs: now - 1_700_000, title: "Fragen zur Dienstplanung" }, { sentAtMs: now - 1_700_000 });
  device.deliver(id("channel"), from, { kind: "broadcast", broadcast: one.id, startedAtMs: one.startedAtMs, title: one.title ?? "" }, { sentAtMs: one.startedAtMs });
}

/** Somebody before a wall, drawn. */
function picture(hue: number): MediaStream {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [640, 480];
  const context = canvas.getContext("2d");
  const draw = () => {
    if (!context) return;
    const wall = context.createLinearGradient(0, 0, 640, 480);
    wall.addColorStop(0, `hsl(${hue} 22% 84%)`);
    wall.addColorStop(1, `hsl(${hue} 20% 58%)`);
    context.fillStyle = wall;
    context.fillRect(0, 0, 640, 480);
    context.fillStyle = "#eef3f4";
    context.beginPath();
    context.ellipse(320, 520, 190, 200, 0, 0, 7);
    context.fill();
    context.fillStyle = "#8d5f45";
    context.beginPath();
    context.ellipse(320, 225, 82, 104, 0, 0, 7);
    context.fill();
    context.fillStyle = "#2b2019";
    context.beginPath();
    context.ellipse(320, 160, 92, 62, 0, 0, 7);
    context.fill();
  };
  draw();
  window.setInterval(draw, 100);
  return canvas.captureStream(10);
}

const SCENES: Record<string, Scene> = {
  loading: { options: { phase: "loading" } },
  enrol: { options: { phase: "signed-out" }, code: "Ab3_Ab3_" },
  signin: { options: { phase: "signed-out" } },
  linking: { options: { phase: "linking" } },
  ended: { options: { phase: "ended" } },
  list: { options: { missedCalls: 1 } },
  direct: { place: conversation("carla") },
  failed: { place: conversation("boris") },
  group: { place: conversation("station1") },
  channel: { options: { channel: "reader" }, place: conversation("channel") },
  "channel-operator": { options: { channel: "operator" }, place: conversation("channel") },
  unread: { place: conversation("reanimation") },
  left: { place: conversation("umzug") },
  unreadable: {
    place: conversation("carla"),
    prepare: (device) => device.update({ conversations: device.view().conversations.map((one) => (one.id === id("carla") ? { ...one, unreadable: 2 } : one)) }),
  },
  details: {
    place: { ...conversation("station1"), details: { person: null } },
    prepare: (device) => device.update({ notices: [notice({ kind: "member-device-added", account: PEOPLE.boris.id, device: id("device-2") })] }),
  },
  person: { place: { ...conversation("carla"), details: { person: null } } },
  settings: { place: { main: { kind: "settings" } } },
  "new-chat": { place: { side: "new-chat" } },
  "new-group": { place: { side: "new-group" } },
  offline: { options: { connection: { state: "offline", transport: null, level: false, sinceMs: now - 60_000 } }, place: conversation("station1") },
  incoming: { options: { call: call({ direction: "incoming", state: "ringing" }) }, place: conversation("station1") },
  outgoing: { options: { call: call({ state: "ringing" }) }, place: conversation("carla") },
  talking: { options: { call: call({ state: "talking", talkingSinceMs: now - 187_000 }) }, place: conversation("carla") },
  "peer-lost": { options: { call: call({ state: "peer-lost", talkingSinceMs: now - 187_000 }) }, place: conversation("carla") },
  "video": { options: video(), live: () => ({ camera: "on", own: picture(20), peer: picture(200), peerCamera: true, line: "up", quality: { grade: "good", rttMs: 24, lossPercent: 0, jitterMs: 4 } }) },
  "video-off": { options: { ...video(), live: { camera: "off", peerCamera: false, line: "up", quality: { grade: "weak", rttMs: 241, lossPercent: 4.2, jitterMs: 18 } } } },
  "video-stalled": { options: video(), live: () => ({ camera: "on", own: picture(20), peer: picture(200), peerCamera: true, peerStalled: true, line: "up", quality: { grade: "poor", rttMs: 480, lossPercent: 21, jitterMs: 90 } }) },
  "video-lost": { options: video(), live: () => ({ camera: "on", own: picture(20), peer: picture(200), peerCamera: true, line: "lost" }) },
  "video-ringing": { options: { call: call({ state: "ringing", video: true }) }, live: () => ({ camera: "on", own: picture(20) }) },
  "video-incoming": { options: { call: call({ direction: "incoming", state: "ringing", video: true }) }, place: conversation("station1") },
  "video-small": { place: conversation("carla"), options: { call: call({ state: "talking", talkingSinceMs: now - 187_000 }) }, live: () => ({ peer: picture(200), peerCamera: true, line: "up", quality: { grade: "poor", rttMs: 620, lossPercent: 14, jitterMs: 120 } }) },
  "live-begins": { options: live(), place: conversation("carla"), prepare: told },
  "live-channel": { options: live(), place: conversation("channel"), prepare: told },
  "live-watch": { options: watched(), place: conversation("carla"), onAir: watching },
  "live-sound": { options: watched(), onAir: () => watching({ stream: null, picture: "off", blocked: true }) },
  "live-lost": { options: watched({ state: "sender-lost" }), onAir: () => watching({ quality: { grade: "weak", rttMs: 241, lossPercent: 4.2, jitterMs: 18 } }) },
  "live-elsewhere": { options: live({ part: "watches" }), place: conversation("channel"), prepare: told },
  "live-send": { options: sent(), place: conversation("channel"), onAir: sending, prepare: (device) => { device.report = reports(); } },
  "live-send-sound": { options: sent({ state: "sender-lost" }), onAir: () => ({ ...sending({ picture: "off", own: null, muted: true }), line: "lost", quality: null }) },
  "live-interrupted": { options: live({ sender: ME, device: id("device-1") }, "operator"), place: conversation("channel"), prepare: (device) => told(device, PEOPLE.anna) },
  calls: { options: { missedCalls: 2 }, place: { side: "calls", ...conversation("carla") } },
  "calls-phone": { options: { missedCalls: 2 }, place: { side: "calls" } },
  "calls-empty": { place: { side: "calls" }, prepare: (device) => { device.calls = async () => ({ calls: [], before: null }); } },
  "call-ended": { options: { call: call({ state: "ended", end: "no-answer" }) }, place: conversation("carla") },
  notices: {
    place: conversation("carla"),
    options: {
      notices: [
        notice({ id: 1, kind: "member-device-added", account: PEOPLE.carla.id, device: id("device-2") }),
        notice({ id: 2, kind: "second-use-of-code" }),
        notice({ id: 3, kind: "node-refused", detail: "ForgedMember" }),
        notice({ id: 4, kind: "healed", conversation: id("station1") }),
      ],
    },
  },
  files: { place: conversation("station1"), prepare: furnishFiles },
  places: { place: conversation("carla"), prepare: furnishPlaces },
  transfers: { place: conversation("station1"), prepare: furnishTransfers },
  previews: { prepare: furnishPreviews },
  empty: { prepare: (device) => device.update({ conversations: [] }) },
  long: { options: { many: 49_989 }, place: conversation("station1") },
};

const asked = new URLSearchParams(window.location.search);
const scene = SCENES[asked.get("scene") ?? "list"] ?? {};
const theme = asked.get("theme");
if (theme) localStorage.setItem("mantine-color-scheme-value", theme);
const place: Place = { side: "list", main: null, details: null, ...scene.place };
window.history.replaceState({ place, depth: 0 }, "");
startLanguage((asked.get("language") ?? "de") as Language);

const device = new MemoryDevice({ ...scene.options, ...(scene.live && { live: scene.live() }), ...(scene.onAir && { onAir: scene.onAir() }) });
// The photographer moves things from outside.
Object.assign(window, { device, people: PEOPLE, me: ME, id, samples: { corridor, ecg, xray, film, lecture }, prepare: (file: File) => prepare(file, browserCodec), codec: browserCodec });

await scene.prepare?.(device);
const root = document.getElementById("root");
if (root) createRoot(root).render(<App device={device} enrolmentCode={scene.code ?? null} />);
