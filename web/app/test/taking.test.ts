// Which tab takes part in which broadcast: as the engine's worker knows it, and as the tab that has the media follows it.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { BroadcastHere } from "../src/device/broadcasts";
import type { Broadcast, Message, View } from "../src/device/contract";
import type { EngineAsk, Reply } from "../src/engine/outputs";
import type { Studio } from "../src/media/studio";
import { Broadcasts } from "../src/worker/broadcasts";
import type { Database } from "../src/worker/database";
import { EMPTY, Model } from "../src/worker/model";
import { broadcast, call, id, ME } from "./fixture";

/** What the tab's sender or viewer was made to do. */
const made = vi.hoisted(() => ({ done: [] as string[], exchange: (_: string): Promise<string> => Promise.resolve("") }));
vi.mock("../src/media/watcher", () => ({
  BroadcastWatcher: class {
    constructor(events: { exchange(sdp: string): Promise<string> }) {
      made.exchange = events.exchange;
    }
    connect = async () => void (await made.exchange("offer"));
    start = () => made.done.push("start");
    again = () => made.done.push("again");
    hush = (on: boolean) => made.done.push(on ? "hush" : "unhush");
    update = () => made.done.push("update");
    close = () => made.done.push("close");
    state = (of: string) => ({ kind: "watches", broadcast: of });
  },
}));
vi.mock("../src/media/sender", () => ({
  BroadcastSender: class {
    constructor(
      readonly studio: Studio,
      private readonly events: { exchange(sdp: string): Promise<string> },
    ) {}
    connect = async () => void (await this.events.exchange("offer"));
    start = async () => made.done.push("start");
    close = (release = false) => made.done.push(release ? "release" : "close");
    state = (of: string) => ({ kind: "sends", broadcast: of });
  },
}));

const ONE = id("broadcast");

describe("the engine's worker", () => {
  const OWN = id("device-1");
  const told = (part: Partial<Broadcast> = {}) => {
    const { id: one, title: _, part: __, here: ___, ...rest } = broadcast({ viewers: 0, ...part });
    return { kind: "broadcast" as const, broadcast: one, ...rest };
  };
  const asks: EngineAsk[] = [];
  const waiting = new Map<string, () => void>();
  let answer: (ask: EngineAsk) => Promise<Reply>;
  let history: Partial<Message>[];
  let model: Model;
  let broadcasts: Broadcasts;
  const shown = () => model.whole().view?.broadcasts ?? [];

  beforeEach(() => {
    asks.length = 0;
    waiting.clear();
    history = [];
    answer = async ({ kind }) => (kind === "startBroadcast" ? { kind: "call", call: ONE, answerSdp: "answer" } : { kind: "media", answerSdp: "answer" });
    vi.stubGlobal("navigator", Object.assign(Object.create(Object.getPrototypeOf(navigator) as object), { locks: { request: async (name: string, then: () => void) => void waiting.set(name, then) } }));
    model = new Model();
    model.set({ device: OWN, me: ME });
    const database = { history: async () => ({ messages: history, more: false }) } as unknown as Database;
    broadcasts = new Broadcasts(model, database, { engine: (ask) => (asks.push(ask), answer(ask)), me: () => ME, own: () => OWN, show: () => undefined });
  });

  it("takes the title from the message, whichever comes first", async () => {
    broadcasts.told(told());
    expect(shown()[0]?.title).toBeNull();
    broadcasts.titled({ kind: "broadcast", broadcast: ONE, startedAtMs: 0, title: "Danach" });
    expect(shown()[0]?.title).toBe("Danach");
    broadcasts.told(told({ viewers: 3 }));
    expect(shown()[0]).toMatchObject({ title: "Danach", viewers: 3 });

    history = [{ id: "m", sentAtMs: Date.now(), body: { kind: "broadcast", broadcast: id("other"), startedAtMs: 0, title: "Davor" } }];
    broadcasts.told(told({ id: id("other") }));
    await vi.waitFor(() => expect(shown().find((one) => one.id === id("other"))?.title).toBe("Davor"));
  });

  it("says of an own broadcast from the first moment that a tab sends it, and of one whose tab is gone that none does", async () => {
    answer = async () => {
      broadcasts.told(told({ sender: ME, device: OWN }));
      expect(shown()[0]?.part).toBe("sends");
      return { kind: "call", call: ONE, answerSdp: "answer" };
    };
    await broadcasts.start({ conversation: id("channel"), title: "Titel", offerSdp: "" }, "tab");
    expect(shown()[0]?.part).toBe("sends");
    waiting.get("wardline-tab-tab")?.();
    expect(shown()[0]).toMatchObject({ part: null, state: "live" });
    expect(asks.map(({ kind }) => kind)).toEqual(["startBroadcast"]);
  });

  it("knows what it has started even when the engine tells nothing new of it", async () => {
    await broadcasts.start({ conversation: id("channel"), title: "Titel", offerSdp: "" }, "tab");
    expect(shown()[0]).toMatchObject({ id: ONE, title: "Titel", part: "sends", state: "live" });
  });

  it("does not leave one that could not be started as interrupted", async () => {
    answer = async () => {
      throw { code: "Busy", message: "" };
    };
    await expect(broadcasts.start({ conversation: id("channel"), title: "", offerSdp: "" }, "tab")).rejects.toMatchObject({ code: "Busy" });
    expect(shown()).toEqual([]);
  });

  it("lets one tab watch one broadcast: another is refused, another broadcast replaces it, a closed tab leaves", async () => {
    broadcasts.told(told());
    broadcasts.told(told({ id: id("other") }));
    const part = (of: string) => shown().find((one) => one.id === of)?.part;
    await broadcasts.join({ broadcast: ONE, offerSdp: "" }, "tab");
    await expect(broadcasts.join({ broadcast: ONE, offerSdp: "" }, "second")).rejects.toMatchObject({ code: "elsewhere" });
    await broadcasts.join({ broadcast: id("other"), offerSdp: "" }, "second");
    expect([part(ONE), part(id("other"))]).toEqual([null, "watches"]);
    waiting.get("wardline-tab-second")?.();
    expect(part(id("other"))).toBeNull();
    expect(asks.filter(({ kind }) => kind === "leaveBroadcast")).toEqual([{ kind: "leaveBroadcast", broadcast: ONE }, { kind: "leaveBroadcast", broadcast: id("other") }]);
  });

  it("keeps the part of a viewer whose new connection fails, and not of one that never had any", async () => {
    broadcasts.told(told());
    const fails = async () => {
      throw { code: "offline", message: "" };
    };
    const works = answer;
    answer = fails;
    await expect(broadcasts.join({ broadcast: ONE, offerSdp: "" }, "tab")).rejects.toBeTruthy();
    expect(shown()[0]?.part).toBeNull();
    answer = works;
    await broadcasts.join({ broadcast: ONE, offerSdp: "" }, "tab");
    answer = fails;
    await expect(broadcasts.join({ broadcast: ONE, offerSdp: "" }, "tab")).rejects.toBeTruthy();
    expect(shown()[0]?.part).toBe("watches");
  });

  it("forgets one that is over after a minute", () => {
    vi.useFakeTimers();
    broadcasts.told(told());
    broadcasts.told(told({ state: "ended", end: "stopped" }));
    expect(shown()[0]).toMatchObject({ state: "ended", end: "stopped", part: null });
    vi.advanceTimersByTime(60_000);
    expect(shown()).toEqual([]);
    vi.useRealTimers();
  });
});

describe("the tab that has the media", () => {
  const asked: string[] = [];
  let failing: { code: string } | null;
  let here: BroadcastHere;
  const view = (part: Partial<View> = {}): View => ({ ...EMPTY, connection: { ...EMPTY.connection, state: "online", level: true }, broadcasts: [broadcast({ part: "watches" })], ...part });

  beforeEach(async () => {
    made.done.length = 0;
    asked.length = 0;
    failing = null;
    const { DeviceError } = await import("../src/device/contract");
    const ask = async (name: string) => {
      asked.push(name);
      if (failing) throw new DeviceError(failing.code, "");
      return { answerSdp: "answer", call: ONE, epoch: new Uint8Array(), contextId: 1 };
    };
    here = new BroadcastHere(ask as ConstructorParameters<typeof BroadcastHere>[0], () => undefined);
  });

  const watch = async () => {
    await here.join(ONE, id("frieda"), false);
    made.done.length = 0;
  };

  it("watches, is silent during a call, and takes new keys", async () => {
    await watch();
    here.follow(view({ call: call({ direction: "incoming", state: "ringing" }) }));
    here.follow(view());
    here.update(ONE, new Uint8Array());
    here.update(id("call"), new Uint8Array());
    expect(made.done).toEqual(["hush", "unhush", "update"]);
    expect(here.mark([broadcast(), broadcast({ id: id("other"), here: true })]).map((one) => one.here)).toEqual([true, false]);
  });

  it("ends with the broadcast, or when another tab leaves it", async () => {
    await watch();
    here.follow(view({ broadcasts: [broadcast({ state: "ended", end: "stopped" })] }));
    expect(here.state()).toBeNull();
    await watch();
    here.follow(view({ broadcasts: [broadcast({ part: null })] }));
    expect(here.state()).toBeNull();
  });

  it("connects anew when the engine has moved to another tab, as soon as that is on line", async () => {
    await watch();
    here.engineMoved();
    here.follow(view({ connection: { ...EMPTY.connection, state: "connecting" }, broadcasts: [] }));
    here.follow(view({ connection: { ...EMPTY.connection, state: "connecting" }, broadcasts: [broadcast()] }));
    expect(made.done).not.toContain("again");
    here.follow(view({ broadcasts: [broadcast()] }));
    here.follow(view({ broadcasts: [broadcast()] }));
    expect(made.done.filter((one) => one === "again")).toHaveLength(1);
    expect(here.state()).not.toBeNull();
    await made.exchange("offer");
    here.follow(view({ broadcasts: [broadcast({ part: null })] }));
    expect(here.state()).toBeNull();
  });

  it("ends when the engine's new tab knows nothing of it", async () => {
    await watch();
    here.engineMoved();
    here.follow(view({ broadcasts: [] }));
    expect(here.state()).toBeNull();
  });

  it("stops trying when it may not watch any more, and not because the node is away", async () => {
    await watch();
    failing = { code: "offline" };
    await expect(made.exchange("offer")).rejects.toBeTruthy();
    expect(here.state()).not.toBeNull();
    failing = { code: "Forbidden" };
    await expect(made.exchange("offer")).rejects.toBeTruthy();
    expect(here.state()).toBeNull();
  });

  it("gives the studio back when it cannot go live, and asks for keys twice when it can", async () => {
    const mute = vi.fn();
    const studio = { state: () => ({ muted: false }), mute } as unknown as Studio;
    failing = { code: "Busy" };
    await expect(here.start(id("channel"), "Titel", studio)).rejects.toMatchObject({ code: "Busy" });
    expect(made.done).toEqual(["release"]);
    expect(here.state()).toBeNull();
    failing = null;
    asked.length = 0;
    await here.start(id("channel"), "Titel", studio);
    expect(asked).toEqual(["startBroadcast", "mediaKeys", "mediaKeys"]);
    expect(here.sends).toBe(true);
    const own = [broadcast({ part: "sends" })];
    // One that only rings is not overheard by the audience; what is said in one would be.
    here.follow(view({ broadcasts: own, call: call({ direction: "incoming", state: "ringing" }) }));
    expect(mute).not.toHaveBeenCalled();
    here.follow(view({ broadcasts: own, call: call({ state: "talking" }) }));
    expect(mute).toHaveBeenCalledWith(true);
    await expect(here.join(id("other"), id("frieda"), false)).rejects.toMatchObject({ code: "elsewhere" });
  });
});
