// Sizes as people read them. Pure.
import type { Language } from "../i18n/language";

const LOCALE: Record<Language, string> = { de: "de-DE", en: "en-GB" };
const UNITS = ["kB", "MB", "GB"] as const;

/** Decimal, as browsers and phones count: `3,4 MB`, `820 kB`, and never `0 kB` for something. */
export function sizeText(bytes: number, language: Language): string {
  let value = Math.max(0, bytes) / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 99.95 ? 1 : 0;
  const shown = unit === 0 && bytes > 0 ? Math.max(1, value) : value;
  return `${shown.toLocaleString(LOCALE[language], { maximumFractionDigits: digits })} ${UNITS[unit]}`;
}
