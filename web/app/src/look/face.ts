// How an account or a conversation looks without a picture: a shape, initials, and a colour that is always the same for the same id.
import type { AccountId, Conversation } from "../device/contract";

export type Shape = "person" | "group" | "channel" | "archive";

/** A direct conversation looks like the other person, where there is one. */
export function shapeOf({ kind }: Conversation, peer: AccountId | null): Shape {
  if (peer) return "person";
  return kind === "channel" ? "channel" : "group";
}

/** Hues that are told apart easily; red is left out, it means danger. */
const HUES = [28, 48, 85, 150, 188, 212, 248, 282, 318];

export function hueOf(id: string): number {
  // FNV-1a: ids that differ little give colours that differ much.
  let hash = 0x811c9dc5;
  for (const char of id) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  return HUES[((hash ^ (hash >>> 15)) >>> 0) % HUES.length] ?? 188;
}

const TITLES = new Set(["dr", "prof", "pd", "med", "dipl", "priv", "doz", "ing", "mr", "mrs", "ms"]);

/** `Dr. Anna Meier` gives AM, `Station 1` gives S1, `Reanimation` gives RE. */
export function initialsOf(name: string): string {
  const words = name
    .split(/[\s-]+/)
    .map((word) => word.replace(/[^\p{L}\p{N}]/gu, ""))
    .filter((word) => word.length > 0 && !TITLES.has(word.toLowerCase()));
  const [first, last] = [words[0], words.at(-1)];
  if (!first || !last) return "?";
  const pair = words.length === 1 ? [...first].slice(0, 2) : [[...first][0], [...last][0]];
  return pair.join("").toUpperCase();
}
