// Shows one scene with the device from memory. The address says which: ?scene=…&theme=…&language=…
import "../../src/look/styles";
import { createRoot } from "react-dom/client";
import { App } from "../../src/App";
import { browserCodec } from "../../src/files/codec";
import { prepare } from "../../src/files/prepare";
import { startLanguage, type Language } from "../../src/i18n/language";
import type { Place } from "../../src/shell/place";
import { furnishFiles, furnishPlaces, furnishPreviews, furnishTransfers } from "./furnish";
import { corridor, ecg, film, xray } from "./samples";
import { call, id, ME, MemoryDevice, notice, PEOPLE, type Options } from "../fixture";

interface Scene {
  options?: Options;
  place?: Partial<Place>;
  code?: string;
  prepare?: (device: MemoryDevice) => void | Promise<void>;
}

const conversation = (name: string): Partial<Place> => ({ main: { kind: "conversation", conversation: id(name) } });
const now = Date.now();

const SCENES: Record<string, Scene> = {
  loading: { options: { phase: "loading" } },
  enrol: { options: { phase: "signed-out" }, code: "Ab3_Ab3_" },
  signin: { options: { phase: "signed-out" } },
  linking: { options: { phase: "linking" } },
  ended: { options: { phase: "ended" } },
  list: {},
  direct: { place: conversation("carla") },
  failed: { place: conversation("boris") },
  group: { place: conversation("station1") },
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

const device = new MemoryDevice(scene.options);
// The photographer moves things from outside.
Object.assign(window, { device, people: PEOPLE, me: ME, id, samples: { corridor, ecg, xray, film }, prepare: (file: File) => prepare(file, browserCodec), codec: browserCodec });

await scene.prepare?.(device);
const root = document.getElementById("root");
if (root) createRoot(root).render(<App device={device} enrolmentCode={scene.code ?? null} />);
