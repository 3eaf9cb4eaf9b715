// The ticks. Their meaning is also told to screen readers, and it does not hang on colour alone: "read" is heavier as well.
import { useTranslation } from "react-i18next";
import type { Progress } from "./progress";
import look from "./Ticks.module.css";

const PATHS: Record<Progress, string> = {
  sending: "M9 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M9 5v3.2l2 1.3",
  failed: "M9 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11M9 5.2v3.3M9 10.9v.1",
  sent: "M5 8.5l3 3L14 5",
  delivered: "M1.5 8.5l3 3L10.5 5M8 11l.5.5L14.5 5",
  read: "M1.5 8.5l3 3L10.5 5M8 11l.5.5L14.5 5",
};

export function Ticks({ progress }: { progress: Progress }) {
  const { t } = useTranslation();
  return (
    <svg className={look.ticks} data-progress={progress} role="img" aria-label={t(`tick.${progress}`)} width="17" height="15" viewBox="0 0 17 16" fill="none" stroke="currentColor" strokeWidth={progress === "read" ? 1.9 : 1.5} strokeLinecap="round" strokeLinejoin="round">
      <path d={PATHS[progress]} />
    </svg>
  );
}
