// The connection at a glance, beside the hospital's name.
import { Popover, UnstyledButton } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useView } from "../session/Session";
import { ConnectionDetails, connectionKey } from "./ConnectionDetails";
import look from "./Connection.module.css";

export function ConnectionDot() {
  const { t } = useTranslation();
  const connection = useView((view) => view.connection);
  const key = connectionKey(connection);
  const [opened, setOpened] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  // The focus is on the button, in some browsers on nothing, and the popover hears only keys that are pressed inside it.
  useEffect(() => {
    if (!opened) return;
    const close = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpened(false);
      button.current?.focus();
    };
    window.addEventListener("keydown", close);
    return () => window.removeEventListener("keydown", close);
  }, [opened]);
  return (
    <Popover width={300} position="bottom-start" trapFocus={false} opened={opened} onChange={setOpened}>
      <Popover.Target>
        <UnstyledButton ref={button} onClick={() => setOpened(!opened)} className={look.dotButton} aria-label={`${t("connection.details")}: ${t(`connection.${key}`)}`}>
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
