import { describe, expect, it } from "vitest";
import { awaited, progressOf, reachOf } from "../src/conversation/progress";
import type { Conversation, Message } from "../src/device/contract";
import { id, ME, MemoryDevice, PEOPLE } from "./fixture";

const view = new MemoryDevice().view();
const station = view.conversations.find((one) => one.id === id("station1")) as Conversation;
const resus = view.conversations.find((one) => one.id === id("reanimation")) as Conversation;
const message = (seq: number, state: Message["state"] = "sent"): Message => ({ ...(station.last as Message), seq, state });

describe("ticks from receipts", () => {
  it("waits for all others, but neither for the archive, nor for who is gone", () => {
    expect(awaited(station, ME, view.accounts)).toEqual([PEOPLE.boris.id]);
    const withGone = { ...station, accounts: [...station.accounts, PEOPLE.georg.id] };
    expect(awaited(withGone, ME, view.accounts)).toEqual([PEOPLE.boris.id]);
  });

  it("is as far as the slowest", () => {
    const others = awaited(resus, ME, view.accounts);
    const receipts = { [PEOPLE.carla.id]: { delivered: 9, read: 9 }, [PEOPLE.deniz.id]: { delivered: 7, read: 3 }, [PEOPLE.emil.id]: { delivered: 5, read: 5 } };
    const reach = reachOf(receipts, others);
    expect(reach).toEqual({ delivered: 5, read: 3 });
    expect([2, 3, 4, 5, 6].map((seq) => progressOf(message(seq), reach))).toEqual(["read", "read", "delivered", "delivered", "sent"]);
  });

  it("counts who has sent no receipt yet", () => {
    expect(reachOf({ [PEOPLE.carla.id]: { delivered: 9, read: 9 } }, [PEOPLE.carla.id, PEOPLE.emil.id])).toEqual({ delivered: 0, read: 0 });
  });

  it("takes what was read for received", () => {
    expect(reachOf({ a: { delivered: 2, read: 6 } }, ["a"])).toEqual({ delivered: 6, read: 6 });
  });

  it("claims nothing when nobody else is there", () => {
    expect(progressOf(message(1), reachOf({}, []))).toBe("sent");
  });

  it("shows waiting and failed messages as that, whatever the receipts say", () => {
    const far = { delivered: 99, read: 99 };
    expect(progressOf(message(0, "sending"), far)).toBe("sending");
    expect(progressOf(message(0, "failed"), far)).toBe("failed");
  });
});
