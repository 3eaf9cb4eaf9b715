// What the timeline shows, from top to bottom: messages grouped by sender and minute, with days, system rows and the line of the new ones between. Pure.
import type { AccountId, Message } from "../device/contract";
import { dayOf, minuteOf } from "../time/format";
import { type Happened, isSpoken, type Spoken } from "./spoken";

/** Something that somebody says: a text, a file, a place. */
export interface MessageRow {
  kind: "message";
  key: string;
  message: Message;
  body: Spoken;
  own: boolean;
  /** First of its sender: carries the name. */
  opens: boolean;
  /** Last of its sender: carries the picture and the space below. */
  closes: boolean;
  /** Last of its sender in this minute: carries the time. */
  timed: boolean;
}

export type Row =
  | MessageRow
  | { kind: "start"; key: string }
  | { kind: "day"; key: string; atMs: number }
  | { kind: "new"; key: string }
  | { kind: "system"; key: string; message: Message; body: Happened; own: boolean };

export interface Asked {
  messages: readonly Message[];
  more: boolean;
  me: AccountId | null;
  /** The first message of others after this place gets the line of the new ones above it; null for no line. */
  newAfterSeq: number | null;
}

/** How many messages of others stand below the line of the new ones. `unread` is how many there were when it was drawn: it counts only while not all of them are loaded. */
export function newBelow({ messages, more, me, newAfterSeq }: Asked, unread: number): number {
  if (newAfterSeq === null) return 0;
  const loaded = messages.filter(({ sender, seq }) => sender !== me && seq > newAfterSeq).length;
  const all = !more || (messages[0]?.seq ?? Number.POSITIVE_INFINITY) <= newAfterSeq;
  return all && loaded > 0 ? loaded : Math.max(loaded, unread);
}

export function rowsOf({ messages, more, me, newAfterSeq }: Asked): Row[] {
  // Only a row that keeps its place when older ones come in front of it may be first: the scroll position hangs on it.
  const rows: Row[] = more ? [] : [{ kind: "start", key: "start" }];
  let day = Number.NaN;
  let previous: MessageRow | null = null;
  let lineDrawn = newAfterSeq === null;

  for (const message of messages) {
    const own = message.sender === me;
    const messageDay = dayOf(message.sentAtMs);
    if (messageDay !== day) {
      day = messageDay;
      // The message's id belongs to the key: clocks differ, so a day can come twice.
      rows.push({ kind: "day", key: `day ${message.id}`, atMs: message.sentAtMs });
      previous = null;
    }
    if (!lineDrawn && !own && newAfterSeq !== null && message.seq > newAfterSeq) {
      lineDrawn = true;
      rows.push({ kind: "new", key: "new" });
      previous = null;
    }
    const { body } = message;
    if (!isSpoken(body)) {
      rows.push({ kind: "system", key: message.id, message, body, own });
      previous = null;
      continue;
    }
    const follows = previous !== null && previous.message.sender === message.sender;
    if (previous && follows) {
      previous.closes = false;
      const sameMinute = minuteOf(previous.message.sentAtMs) === minuteOf(message.sentAtMs);
      // A message that stands differently (still sending, failed) keeps its own mark.
      if (sameMinute && previous.message.state === message.state && message.state !== "failed") previous.timed = false;
    }
    const row: MessageRow = { kind: "message", key: message.id, message, body, own, opens: !follows, closes: true, timed: true };
    rows.push(row);
    previous = row;
  }
  return rows;
}
