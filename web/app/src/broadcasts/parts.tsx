// What every view of a broadcast has: that it is live, for how long, and how many watch.
import { useTranslation } from "react-i18next";
import type { Broadcast } from "../device/contract";
import { Icon } from "../look/Icon";
import { useNow } from "../shell/useNow";
import { duration } from "../time/format";
import look from "./broadcasts.module.css";

export function LiveBadge({ waits = false }: { waits?: boolean }) {
  const { t } = useTranslation();
  return (
    <span className={look.badge} data-waits={waits || undefined}>
      <span className={look.dot} aria-hidden="true" />
      {t("broadcast.live")}
    </span>
  );
}

export function Elapsed({ since }: { since: number }) {
  const { t } = useTranslation();
  const now = useNow(1000);
  return (
    <span role="timer" aria-label={`${t("broadcast.elapsed")} ${duration(now - since)}`} className={look.elapsed}>
      {duration(now - since)}
    </span>
  );
}

export function Viewers({ count }: { count: number }) {
  const { t } = useTranslation();
  return (
    <span className={look.viewers}>
      <Icon name="eye" size={17} />
      <span className={look.long}>{t("broadcast.viewers", { count })}</span>
      <span className={look.short} aria-hidden="true">
        {count}
      </span>
    </span>
  );
}

/** What it is about, or at least what it is. */
export function useTitle({ title }: Pick<Broadcast, "title">): string {
  const { t } = useTranslation();
  return title?.trim() || t("broadcast.one");
}
