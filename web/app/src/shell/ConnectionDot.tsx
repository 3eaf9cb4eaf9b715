// The connection at a glance, beside the hospital's name.
import { Popover, UnstyledButton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useView } from "../session/Session";
import { ConnectionDetails, connectionKey } from "./ConnectionDetails";
import look from "./Connection.module.css";

export function ConnectionDot() {
  const { t } = useTranslation();
  const connection = useView((view) => view.connection);
  const key = connectionKey(connection);
  return (
    <Popover width={300} position="bottom-start" trapFocus={false}>
      <Popover.Target>
        <UnstyledButton className={look.dotButton} aria-label={`${t("connection.details")}: ${t(`connection.${key}`)}`}>
          <span className={look.dot} data-state={key} />
          <span className={look.dotText}>{t(`connection.${key}`)}</span>
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown aria-label={t("connection.details")}>
        <ConnectionDetails />
      </Popover.Dropdown>
    </Popover>
  );
}
