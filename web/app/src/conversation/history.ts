// A stretch of one conversation's messages and how news is woven into it. Pure.
import type { Message, MessageId } from "../device/contract";

export interface History {
  /** Oldest first; those that wait to be sent are last. */
  messages: readonly Message[];
  more: boolean;
  state: "empty" | "loading" | "ready" | "failed";
}

export const NOTHING: History = { messages: [], more: false, state: "empty" };

/** Waiting messages have no place yet and stand after all that have one. */
function place(message: Message): number {
  return message.seq === 0 ? Number.POSITIVE_INFINITY : message.seq;
}

/** Puts one message in its place; the same id replaces what was there. News is almost always at the end, so that is where the search begins. */
export function merge(messages: readonly Message[], message: Message): readonly Message[] {
  const known = messages.findLastIndex((other) => other.id === message.id);
  if (known >= 0 && messages[known]?.seq === message.seq) return messages.with(known, message);
  const rest = known >= 0 ? messages.toSpliced(known, 1) : messages.slice();
  const before = rest.findLastIndex((other) => place(other) <= place(message));
  return rest.toSpliced(before + 1, 0, message);
}

/** Puts an older page in front. What is in both is taken from `messages`: it is newer. */
export function prepend(messages: readonly Message[], page: readonly Message[]): readonly Message[] {
  const known = new Set(messages.map((message) => message.id));
  return [...page.filter((message) => !known.has(message.id)), ...messages];
}

export function without(messages: readonly Message[], id: MessageId): readonly Message[] {
  return messages.filter((message) => message.id !== id);
}
