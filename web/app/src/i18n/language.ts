// Which language is shown: the one chosen here before, else the browser's.
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { de } from "./de";
import { en } from "./en";

export type Language = "de" | "en";

/** Not secret, so it may be kept where every page of this origin can read it. */
const KEPT_AS = "wardline-language";

export function preferred(kept: string | null, browser: readonly string[]): Language {
  if (kept === "de" || kept === "en") return kept;
  // The first language that there are texts for; a Swiss or Austrian browser is a German one.
  for (const tag of browser) {
    const base = tag.toLowerCase().split("-")[0];
    if (base === "de" || base === "en") return base;
  }
  return "en";
}

export function startLanguage(language: Language = preferred(localStorage.getItem(KEPT_AS), navigator.languages)): void {
  void i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: "en",
    resources: { de: { translation: de }, en: { translation: en } },
    // React escapes by itself.
    interpolation: { escapeValue: false },
    initAsync: false,
    showSupportNotice: false,
  } as Parameters<typeof i18next.init>[0]);
  document.documentElement.lang = language;
}

export function chooseLanguage(language: Language): void {
  localStorage.setItem(KEPT_AS, language);
  document.documentElement.lang = language;
  void i18next.changeLanguage(language);
}

export function languageOf(tag: string): Language {
  return tag.startsWith("de") ? "de" : "en";
}
