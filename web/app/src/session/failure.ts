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

/** For a reason that comes as text: a code is put in words, and words stay as they are. */
export function explainReason(reason: string, t: TFunction): string {
  const key = known(reason);
  return key ? t(`error.${key}`, { message: "" }) : reason;
}

export function explain(failure: unknown, t: TFunction): string {
  // By its shape: an error that came through a message channel has lost its class.
  const code = failure instanceof Error && "code" in failure ? String((failure as DeviceError).code) : "";
  if (failure instanceof Error && failure.name === "NotAllowedError") return t("error.microphone");
  const key = known(code);
  if (key) return t(`error.${key}`, { message: "" });
  return t("error.other", { message: failure instanceof Error ? failure.message : String(failure) });
}
