// Times as people read them. Pure: the present moment and the language are arguments. Hospitals count to 24 in both languages.
import type { Language } from "../i18n/language";

const LOCALE: Record<Language, string> = { de: "de-DE", en: "en-GB" };
const DAY_MS = 86_400_000;

// Making a formatter costs more than formatting 100 times with it.
const formatters = new Map<string, Intl.DateTimeFormat>();
function formatter(language: Language, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${language} ${name}`;
  let made = formatters.get(key);
  if (!made) formatters.set(key, (made = new Intl.DateTimeFormat(LOCALE[language], options)));
  return made;
}

/** Midnight of the local day that `ms` lies in. */
export function dayOf(ms: number): number {
  return new Date(ms).setHours(0, 0, 0, 0);
}

/** How many local days ago; rounded, because a day with a clock change has 23 or 25 hours. */
export function daysAgo(ms: number, nowMs: number): number {
  return Math.round((dayOf(nowMs) - dayOf(ms)) / DAY_MS);
}

/** Minutes since 1970, for grouping what was said in one of them. */
export function minuteOf(ms: number): number {
  return Math.floor(ms / 60_000);
}

export function clock(ms: number, language: Language): string {
  return formatter(language, "clock", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(ms);
}

/** `24.11.26`, as narrow columns have it. */
export function shortDate(ms: number, language: Language): string {
  return formatter(language, "short", { day: "2-digit", month: "2-digit", year: "2-digit" }).format(ms);
}

export function longDate(ms: number, language: Language): string {
  return formatter(language, "long", { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(ms);
}

function weekday(ms: number, language: Language): string {
  return formatter(language, "weekday", { weekday: "long" }).format(ms);
}

export interface DayWords {
  today: string;
  yesterday: string;
}

/** For the conversation list: the time today, then the day, then the date. */
export function listTime(ms: number, nowMs: number, language: Language, words: DayWords): string {
  const days = daysAgo(ms, nowMs);
  if (days <= 0) return clock(ms, language);
  if (days === 1) return words.yesterday;
  if (days < 7) return weekday(ms, language);
  return shortDate(ms, language);
}

/** For the separators between days. */
export function dayLabel(ms: number, nowMs: number, language: Language, words: DayWords): string {
  const days = daysAgo(ms, nowMs);
  if (days === 0) return words.today;
  if (days === 1) return words.yesterday;
  return longDate(ms, language);
}

/** `3:07`, `1:02:03`. */
export function duration(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const seconds = String(total % 60).padStart(2, "0");
  const minutes = Math.floor(total / 60) % 60;
  const hours = Math.floor(total / 3600);
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/** A moment in full: the date and the time. */
export function moment(ms: number, language: Language): string {
  return `${shortDate(ms, language)}, ${clock(ms, language)}`;
}
