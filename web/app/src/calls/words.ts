// Calls in words, and whether one is going on. Pure.
import type { Call } from "../device/contract";

export type CallWord = "in" | "inVideo" | "out" | "outVideo" | "missed" | "missedVideo" | "unanswered" | "unansweredVideo";

/** What one that is over is called: by who placed it, whether it was answered, and whether as a video call. */
export function callWord(own: boolean, call: { answered: boolean; video?: boolean }): CallWord {
  const word = call.answered ? (own ? "out" : "in") : own ? "unanswered" : "missed";
  return call.video ? `${word}Video` : word;
}

/** Whether this person is in it: one that only rings here is not taken yet. */
export function isTaken(call: Call | null): boolean {
  return call !== null && call.state !== "ended" && !(call.direction === "incoming" && call.state === "ringing");
}
