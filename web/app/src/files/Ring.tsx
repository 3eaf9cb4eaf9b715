// How far a file is on its way, around the button that stops it.
import { useTranslation } from "react-i18next";
import type { Transfer } from "../device/contract";
import { Icon } from "../look/Icon";
import { useLanguage } from "../shell/useLanguage";
import { sizeText } from "./size";
import look from "./files.module.css";

const RADIUS = 20;
const AROUND = 2 * Math.PI * RADIUS;

export function shareOf(transfer: Transfer): number {
  return transfer.bytes > 0 ? Math.min(1, Math.max(0, transfer.done / transfer.bytes)) : 0;
}

/** In words: how much of it, or that it waits. */
export function useTransferText(transfer: Transfer | undefined): string {
  const { t } = useTranslation();
  const { language } = useLanguage();
  if (!transfer) return t("file.coming");
  if (transfer.waiting) return t("file.waiting");
  return t("file.progress", { done: sizeText(transfer.done, language), all: sizeText(transfer.bytes, language) });
}

/** Without a transfer it is being opened, which takes a moment at most. */
export function Ring({ transfer, cancel }: { transfer: Transfer | undefined; cancel: () => void }) {
  const { t } = useTranslation();
  const share = transfer ? shareOf(transfer) : null;
  const label = transfer?.direction === "up" ? t("file.sending") : t("file.loading");
  return (
    <span className={look.ring} data-unknown={share === null || undefined} data-waiting={transfer?.waiting || undefined}>
      <span role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={share === null ? undefined : Math.round(share * 100)}>
        <svg width="46" height="46" viewBox="0 0 46 46" fill="none" strokeWidth="3" aria-hidden="true" focusable="false">
          <circle cx="23" cy="23" r={RADIUS} className={look.ringGround} />
          <circle cx="23" cy="23" r={RADIUS} className={look.ringDone} strokeLinecap="round" strokeDasharray={AROUND} strokeDashoffset={AROUND * (1 - Math.max(0.02, share ?? 0.25))} transform="rotate(-90 23 23)" />
        </svg>
      </span>
      <button type="button" tabIndex={-1} aria-label={t("file.cancel")} onClick={cancel}>
        <Icon name="close" size={20} />
      </button>
    </span>
  );
}
