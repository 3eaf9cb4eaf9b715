// Presence as a line of text.
import type { TFunction } from "i18next";
import type { Presence } from "../device/contract";
import type { Language } from "../i18n/language";
import { clock, daysAgo, shortDate } from "../time/format";

export function presenceText(presence: Presence | undefined, nowMs: number, language: Language, t: TFunction): string {
  if (!presence) return "";
  if (presence.online) return t("conversation.online");
  if (presence.lastSeenMs === 0) return "";
  const days = daysAgo(presence.lastSeenMs, nowMs);
  if (days <= 0) return t("time.lastSeenToday", { clock: clock(presence.lastSeenMs, language) });
  if (days === 1) return t("time.lastSeenYesterday", { clock: clock(presence.lastSeenMs, language) });
  return t("time.lastSeenOn", { date: shortDate(presence.lastSeenMs, language) });
}
