// Certifies a further device of one's own by the code that it shows.
import { Button, Modal, Textarea } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { ScanSheet } from "../scan/ScanSheet";
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
  const [scanning, setScanning] = useState(false);
  const [scanned, setScanned] = useState(false);
  const close = () => {
    setOpened(false);
    setCode("");
    setScanned(false);
    command.clear();
  };
  const type = (text: string) => {
    setCode(text);
    setScanned(false);
    command.clear();
  };
  const found = (text: string) => {
    type(text);
    setScanned(true);
    setScanning(false);
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
      <Modal opened={opened && !scanning} onClose={close} title={t("settings.linkTitle")} closeButtonProps={{ "aria-label": t("app.close") }}>
        <form
          className={look.form}
          onSubmit={(event) => {
            event.preventDefault();
            void link();
          }}
        >
          <p className={look.text}>{t("settings.linkHint")}</p>
          {scanned ? (
            <Scanned again={() => type("")} />
          ) : (
            <>
              <Button size="md" variant="light" leftSection={<Icon name="scan" />} onClick={() => setScanning(true)} data-autofocus>
                {t("settings.linkScan")}
              </Button>
              <Textarea label={t("settings.linkCode")} value={code} onChange={(event) => type(event.currentTarget.value)} rows={3} spellCheck={false} autoComplete="off" />
            </>
          )}
          <p className={look.warn}>
            <Icon name="alert" size={18} />
            <span>{t("settings.linkWarn")}</span>
          </p>
          <Failure text={command.failure} />
          <Button type="submit" size="md" loading={command.busy} disabled={cleanCode(code) === ""} data-autofocus={scanned || undefined}>
            {t("settings.linkDo")}
          </Button>
        </form>
      </Modal>
      {scanning && <ScanSheet wanted="device" title={t("settings.linkTitle")} hint={t("settings.linkScanHint")} onFound={found} close={() => setScanning(false)} />}
    </div>
  );
}

/** A scanned code is nothing to read: 150 characters. */
function Scanned({ again }: { again: () => void }) {
  const { t } = useTranslation();
  return (
    <div className={look.scanned}>
      <Icon name="check" size={18} />
      <span role="status">{t("settings.linkScanned")}</span>
      <Button variant="subtle" size="compact-sm" onClick={again}>
        {t("signin.otherCode")}
      </Button>
    </div>
  );
}
