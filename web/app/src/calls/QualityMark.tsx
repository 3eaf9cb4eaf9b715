// How well the call gets through, in a word; the numbers for those who ask.
import { Popover, UnstyledButton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Grade, Quality } from "../media/live";
import { ABOVE_STAGE } from "./Controls";
import look from "./calls.module.css";

const BARS: Record<Grade, number> = { good: 3, weak: 2, poor: 1 };

export function QualityMark({ quality }: { quality: Quality }) {
  const { t } = useTranslation();
  const { grade, rttMs, lossPercent, jitterMs } = quality;
  return (
    <Popover position="bottom-end" width={264} zIndex={ABOVE_STAGE} hideDetached={false}>
      <Popover.Target>
        <UnstyledButton className={look.quality} data-grade={grade} aria-label={t("quality.label", { grade: t(`quality.${grade}`) })}>
          <span className={look.bars} aria-hidden="true">
            {[1, 2, 3].map((bar) => (
              <span key={bar} data-lit={bar <= BARS[grade] || undefined} />
            ))}
          </span>
          {t(`quality.${grade}`)}
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown>
        <p className={look.hint}>{t(`quality.${grade}Hint`)}</p>
        <dl className={look.numbers}>
          <dt>{t("quality.rtt")}</dt>
          <dd>{Math.round(rttMs)} ms</dd>
          <dt>{t("quality.loss")}</dt>
          <dd>{lossPercent.toFixed(lossPercent < 10 ? 1 : 0)} %</dd>
          <dt>{t("quality.jitter")}</dt>
          <dd>{Math.round(jitterMs)} ms</dd>
        </dl>
      </Popover.Dropdown>
    </Popover>
  );
}
