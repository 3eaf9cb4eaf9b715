// What the details of groups and of people have in common.
import { useId, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Icon, type IconName } from "../look/Icon";
import look from "./details.module.css";

export function Section({ title, icon, children }: { title: string; icon?: IconName; children: ReactNode }) {
  const id = useId();
  return (
    <section className={look.section} aria-labelledby={id}>
      <h3 id={id}>
        {icon && <Icon name={icon} size={16} />}
        {title}
      </h3>
      {children}
    </section>
  );
}

export function ArchiveNote() {
  const { t } = useTranslation();
  return (
    <div className={look.archive}>
      <Icon name="archive" size={20} />
      <p>
        <strong>{t("details.archive")}</strong>
        {t("details.archiveHint")}
      </p>
    </div>
  );
}
