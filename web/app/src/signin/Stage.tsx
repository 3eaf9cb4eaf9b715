// The frame of everything that is shown before there is a device.
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Icon, Mark } from "../look/Icon";
import look from "./signin.module.css";

/** `compact`: the rest needs the height. */
export function Stage({ lead, compact, children }: { lead: string | null; compact?: boolean; children: ReactNode }) {
  const { t } = useTranslation();
  return (
    <main className={look.stage}>
      <div className={look.column}>
        <header className={look.brand} data-compact={compact || undefined}>
          <Mark size={compact ? 34 : 56} />
          <h1>{t("app.name")}</h1>
          {lead && <p>{lead}</p>}
        </header>
        {children}
        <footer className={look.promise}>
          <Icon name="lock" size={16} />
          <span>{t("signin.promise")}</span>
        </footer>
      </div>
    </main>
  );
}
