import { describe, expect, it } from "vitest";
import { newBelow, rowsOf, type Row, type MessageRow } from "../src/conversation/rows";
import type { Message } from "../src/device/contract";

const NINE = new Date(2026, 10, 25, 9, 0, 0).getTime();
let made = 0;

function said(sender: string, atMs: number, more: Partial<Message> = {}): Message {
  made += 1;
  return { conversation: "c", id: `m${made}`, seq: made, sender, device: "d", sentAtMs: atMs, body: { kind: "text", text: "x" }, state: "sent", error: null, ...more };
}

function rows(messages: Message[], newAfterSeq: number | null = null): Row[] {
  return rowsOf({ messages, more: false, me: "me", newAfterSeq });
}

const texts = (all: Row[]) => all.filter((row): row is MessageRow => row.kind === "message");

describe("message grouping", () => {
  it("puts what one sender says in one minute together", () => {
    const [first, second, third] = texts(rows([said("a", NINE), said("a", NINE + 20_000), said("a", NINE + 65_000)]));
    expect([first?.opens, second?.opens, third?.opens]).toEqual([true, false, false]);
    expect([first?.timed, second?.timed, third?.timed]).toEqual([false, true, true]);
    expect([first?.closes, second?.closes, third?.closes]).toEqual([false, false, true]);
  });

  it("begins anew with another sender, also within the minute", () => {
    const [first, second] = texts(rows([said("a", NINE), said("b", NINE + 1000)]));
    expect([first?.closes, first?.timed, second?.opens]).toEqual([true, true, true]);
  });

  it("keeps the mark of a message that stands differently", () => {
    const [first] = texts(rows([said("me", NINE), said("me", NINE + 1000, { state: "sending", seq: 0 })]));
    expect(first?.timed).toBe(true);
  });

  it("separates days, and what stands on either side is not one group", () => {
    const before = new Date(2026, 10, 24, 23, 59, 50).getTime();
    const all = rows([said("a", before), said("a", before + 20_000)]);
    expect(all.map((row) => row.kind)).toEqual(["start", "day", "message", "day", "message"]);
    expect(texts(all).every((row) => row.opens && row.closes)).toBe(true);
  });

  it("draws the line of the new ones once, above the first of others", () => {
    const read = said("a", NINE);
    const own = said("me", NINE + 1000);
    const fresh = said("a", NINE + 2000);
    const all = rows([read, own, fresh, said("a", NINE + 3000)], read.seq);
    expect(all.map((row) => row.kind)).toEqual(["start", "day", "message", "message", "new", "message", "message"]);
    expect(all[5]?.key).toBe(fresh.id);
  });

  it("counts what stands below that line, and believes the unread only where not all is loaded", () => {
    const all = [said("a", NINE, { seq: 1 }), said("a", NINE, { seq: 2 }), said("me", NINE, { seq: 3 }), said("b", NINE, { seq: 4 })];
    const asked = { messages: all, more: true, me: "me", newAfterSeq: 1 };
    expect(newBelow(asked, 1)).toBe(2);
    expect(newBelow({ ...asked, newAfterSeq: null }, 1)).toBe(0);
    expect(newBelow({ ...asked, messages: all.slice(1), newAfterSeq: 0 }, 9)).toBe(9);
    expect(newBelow({ ...asked, messages: all.slice(1), more: false, newAfterSeq: 0 }, 9)).toBe(2);
  });

  it("shows calls and titles apart from the groups", () => {
    const all = rows([said("a", NINE), said("a", NINE + 1000, { body: { kind: "title", title: "Station 1" } }), said("a", NINE + 2000)]);
    expect(all.map((row) => row.kind)).toEqual(["start", "day", "message", "system", "message"]);
    expect(texts(all)[1]?.opens).toBe(true);
  });

  it("says that it is the beginning only when there is nothing older", () => {
    expect(rowsOf({ messages: [said("a", NINE)], more: true, me: "me", newAfterSeq: null })[0]?.kind).toBe("day");
  });
});
