// Why a command failed, in the reader's language, with what to do.
import type { TFunction } from "i18next";
import { DeviceError } from "../device/contract";
import { de } from "../i18n/de";

type Known = keyof typeof de.error;

/** Codes come as the core writes them (`CodeUsed`) or as words of their own (`offline`). */
function known(code: string): Known | null {
  const plain = code.toLowerCase().replace(/[^a-z]/g, "");
  return plain !== "other" && plain in de.error ? (plain as Known) : null;
}

/** What a failure is about, where that changes the advice. */
export type About = "message" | "file" | "broadcast";

function keyOf(code: string, about: About): Known | null {
  const key = known(code);
  // A file cannot be split as a text can.
  if (key === "toolarge" && about === "file") return "toolargefile";
  if (about === "broadcast" && key === "busy") return "busybroadcast";
  return about === "broadcast" && key === "unknowncall" ? "unknownbroadcast" : key;
}

/** For a reason that comes as text, `code: words` or one of the two: a code that is known is put in the reader's words, and words stay as they are. */
export function explainReason(reason: string, t: TFunction, about: About = "message"): string {
  const [, code, words] = /^(\w+): (.+)$/s.exec(reason) ?? [];
  const key = keyOf(code ?? reason, about);
  return key ? t(`error.${key}`, { message: "" }) : (words ?? reason);
}

export function explain(failure: unknown, t: TFunction, about: About = "message"): string {
  // By its shape: an error that came through a message channel has lost its class.
  const code = failure instanceof Error && "code" in failure ? String((failure as DeviceError).code) : "";
  if (failure instanceof Error && failure.name === "NotAllowedError") return t("error.microphone");
  const key = keyOf(code, about);
  if (key) return t(`error.${key}`, { message: "" });
  return t("error.other", { message: failure instanceof Error ? failure.message : String(failure) });
}
