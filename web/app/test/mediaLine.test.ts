// A broadcast's connection to the node: lost, it is made anew from the beginning, again and again, and only the newest counts.
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MediaLine } from "../src/media/mediaLine";

class Connection {
  static all: Connection[] = [];
  connectionState = "new";
  iceGatheringState = "complete";
  localDescription: { sdp: string } | null = null;
  answers: string[] = [];
  onconnectionstatechange: (() => void) | null = null;
  constructor() {
    Connection.all.push(this);
  }
  createOffer = async () => ({ sdp: `offer ${Connection.all.indexOf(this)}` });
  setLocalDescription = async (description: { sdp: string }) => void (this.localDescription = description);
  setRemoteDescription = async ({ sdp }: { sdp: string }) => void this.answers.push(sdp);
  close = () => void (this.connectionState = "closed");
  becomes(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

const exchange = vi.fn(async (offer: string) => offer.replace("offer", "answer"));
const changed = vi.fn();
let line: MediaLine;
const last = () => Connection.all.at(-1) as Connection;

beforeEach(async () => {
  vi.useFakeTimers();
  vi.stubGlobal("RTCPeerConnection", Connection);
  Connection.all = [];
  exchange.mockClear();
  changed.mockClear();
  line = new MediaLine({ build: () => undefined, exchange, changed });
  await line.open();
  last().becomes("connected");
});
afterEach(() => {
  line.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("leaves a short gap alone", async () => {
  last().becomes("disconnected");
  await vi.advanceTimersByTimeAsync(2_000);
  last().becomes("connected");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Connection.all).toHaveLength(1);
  expect(changed.mock.calls.map(([state]) => state as string)).toEqual(["up", "lost", "up"]);
});

it("is made anew well within the half minute that the node waits, until it stands", async () => {
  last().becomes("disconnected");
  await vi.advanceTimersByTimeAsync(3_100);
  expect(Connection.all).toHaveLength(2);
  expect(Connection.all[0]?.connectionState).toBe("closed");
  await vi.advanceTimersByTimeAsync(8_000);
  expect(Connection.all).toHaveLength(4);
  expect(last().answers).toEqual(["answer 3"]);
  last().becomes("connected");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Connection.all).toHaveLength(4);
});

it("tries again at once when it has failed, and when the node does not answer", async () => {
  exchange.mockRejectedValueOnce(new Error("offline"));
  last().becomes("failed");
  await vi.advanceTimersByTimeAsync(10);
  expect(Connection.all).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(last().answers).toEqual(["answer 2"]);
});

it("gives an answer that comes late to nobody, and says nothing of what was given up", async () => {
  let late = (_: string): void => undefined;
  exchange.mockImplementationOnce(() => new Promise((resolve) => (late = resolve)));
  const [first] = Connection.all;
  first?.becomes("failed");
  await vi.advanceTimersByTimeAsync(4_010);
  late("answer 1");
  await vi.advanceTimersByTimeAsync(10);
  expect(Connection.all[1]?.answers).toEqual([]);
  changed.mockClear();
  Connection.all[1]?.becomes("failed");
  expect(changed).not.toHaveBeenCalled();
});

it("rests when it is closed", async () => {
  last().becomes("failed");
  line.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Connection.all).toHaveLength(1);
});
