// Certifies a further device of one's own by the code that it shows.
import { Button, Modal, Textarea } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { useDevice } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { cleanCode } from "../signin/enrolment";
import { Failure } from "../signin/Failure";
import look from "./settings.module.css";

export function LinkDevice() {
  const { t } = useTranslation();
  const device = useDevice();
  const command = useCommand();
  const [opened, setOpened] = useState(false);
  const [done, setDone] = useState(false);
  const [code, setCode] = useState("");
  const close = () => {
    setOpened(false);
    setCode("");
    command.clear();
  };
  const link = async () => {
    if (!(await command.run(() => device.approveLink(cleanCode(code))))) return;
    setDone(true);
    close();
  };
  return (
    <div className={look.link}>
      <Button variant="light" leftSection={<Icon name="link" size={18} />} onClick={() => (setDone(false), setOpened(true))}>
        {t("settings.linkTitle")}
      </Button>
      <p role="status" className={look.text}>
        {done && t("settings.linkDone")}
      </p>
      <Modal opened={opened} onClose={close} title={t("settings.linkTitle")} closeButtonProps={{ "aria-label": t("app.close") }}>
        <form
          className={look.form}
          onSubmit={(event) => {
            event.preventDefault();
            void link();
          }}
        >
          <p className={look.text}>{t("settings.linkHint")}</p>
          <Textarea label={t("settings.linkCode")} value={code} onChange={(event) => (setCode(event.currentTarget.value), command.clear())} rows={3} spellCheck={false} autoComplete="off" data-autofocus />
          <p className={look.warn}>
            <Icon name="alert" size={18} />
            <span>{t("settings.linkWarn")}</span>
          </p>
          <Failure text={command.failure} />
          <Button type="submit" loading={command.busy} disabled={cleanCode(code) === ""}>
            {t("settings.linkDo")}
          </Button>
        </form>
      </Modal>
    </div>
  );
}
