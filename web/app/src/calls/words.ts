// What a call that is over is called: by who placed it, whether it was answered, and whether as a video call. Pure.

export type CallWord = "in" | "inVideo" | "out" | "outVideo" | "missed" | "missedVideo" | "unanswered" | "unansweredVideo";

export function callWord(own: boolean, call: { answered: boolean; video?: boolean }): CallWord {
  const word = call.answered ? (own ? "out" : "in") : own ? "unanswered" : "missed";
  return call.video ? `${word}Video` : word;
}
