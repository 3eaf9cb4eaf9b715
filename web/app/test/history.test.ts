import { describe, expect, it } from "vitest";
import { Histories } from "../src/conversation/histories";
import { merge, prepend } from "../src/conversation/history";
import type { Message } from "../src/device/contract";
import { id, MemoryDevice, PEOPLE } from "./fixture";

const message = (name: string, seq: number, more: Partial<Message> = {}): Message => ({ conversation: "c", id: name, seq, sender: "a", device: "d", sentAtMs: seq, body: { kind: "text", text: name }, state: seq === 0 ? "sending" : "sent", error: null, ...more });
const names = (messages: readonly Message[]) => messages.map((one) => one.id).join("");

describe("weaving news into a history", () => {
  it("keeps waiting messages last and moves them to their place once they have one", () => {
    let log: readonly Message[] = [message("a", 1), message("b", 0)];
    log = merge(log, message("c", 2));
    expect(names(log)).toBe("acb");
    log = merge(log, message("b", 3));
    expect(names(log)).toBe("acb");
    log = merge([message("a", 1), message("x", 0), message("b", 0)], message("b", 2));
    expect(names(log)).toBe("abx");
  });

  it("puts a late one where it belongs and replaces a known one", () => {
    const log = merge([message("a", 1), message("c", 3)], message("b", 2));
    expect(names(log)).toBe("abc");
    const changed = merge(log, message("b", 2, { body: { kind: "text", text: "new" } }));
    expect(names(changed)).toBe("abc");
    expect(changed[1]?.body).toEqual({ kind: "text", text: "new" });
  });

  it("does not double what two pages share", () => {
    expect(names(prepend([message("b", 2), message("c", 3)], [message("a", 1), message("b", 2)]))).toBe("abc");
  });
});

describe("histories", () => {
  it("load page by page to the beginning", async () => {
    const device = new MemoryDevice({ many: 300 });
    const histories = new Histories(device);
    await histories.open(id("station1"), 0);
    expect(histories.get(id("station1")).messages).toHaveLength(80);
    await histories.older(id("station1"));
    await histories.older(id("station1"));
    const whole = histories.get(id("station1"));
    expect(whole.messages).toHaveLength(311);
    expect(whole.more).toBe(false);
    expect(whole.messages.map((one) => one.seq)).toEqual(Array.from({ length: 311 }, (_, at) => at + 1));
  });

  it("lose nothing that arrives while a page is on its way", async () => {
    const device = new MemoryDevice();
    const histories = new Histories(device);
    const opening = histories.open(id("carla"), 0);
    const late = device.deliver(id("carla"), PEOPLE.carla, "währenddessen");
    await opening;
    expect(histories.get(id("carla")).messages.at(-1)?.id).toBe(late.id);
    expect(histories.get(id("carla")).messages).toHaveLength(10);
  });
});
