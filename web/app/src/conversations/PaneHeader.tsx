import { ActionIcon } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import look from "./list.module.css";

/** The head of a pane that leads back to where one came from. */
export function PaneHeader({ title, back, icon = "back", children }: { title: string; back: () => void; icon?: "back" | "close"; children?: ReactNode }) {
  const { t } = useTranslation();
  return (
    <div className={look.header}>
      <ActionIcon aria-label={icon === "back" ? t("app.back") : t("app.close")} onClick={back}>
        <Icon name={icon} />
      </ActionIcon>
      <h1 className={look.paneTitle}>{title}</h1>
      {children}
    </div>
  );
}
