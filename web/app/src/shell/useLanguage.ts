// The language as the formatters take it, and the words for days.
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { languageOf, type Language } from "../i18n/language";
import type { DayWords } from "../time/format";

export function useLanguage(): { language: Language; words: DayWords } {
  const { t, i18n } = useTranslation();
  return useMemo(() => ({ language: languageOf(i18n.language), words: { today: t("time.today"), yesterday: t("time.yesterday") } }), [t, i18n.language]);
}
