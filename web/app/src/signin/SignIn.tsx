// The first screen: become a device by a link, by a code, or by another device of one's own.
import { Button, Textarea } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { ScanSheet } from "../scan/ScanSheet";
import { useDevice } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { cleanCode } from "./enrolment";
import { Failure } from "./Failure";
import { Stage } from "./Stage";
import look from "./signin.module.css";

export function SignIn({ found }: { found: string | null }) {
  const { t } = useTranslation();
  const device = useDevice();
  const command = useCommand();
  const [link, setLink] = useState(found);
  const [typed, setTyped] = useState("");
  const [scanning, setScanning] = useState(false);

  const enrol = (code: string) => void command.run(() => device.enrol(code));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (cleanCode(typed) !== "") enrol(cleanCode(typed));
  };

  return (
    <Stage lead={t("signin.lead")}>
      {link !== null ? (
        <section className={look.card} aria-labelledby="link-found">
          <h2 id="link-found">{t("signin.linkFound")}</h2>
          <p className={look.hint}>{t("signin.linkFoundHint")}</p>
          <Button size="md" fullWidth loading={command.busy} onClick={() => enrol(link)} autoFocus>
            {t("signin.enrol")}
          </Button>
          <Failure text={command.failure} />
          <Button variant="subtle" size="compact-md" disabled={command.busy} onClick={() => (setLink(null), command.clear())}>
            {t("signin.otherCode")}
          </Button>
        </section>
      ) : (
        <>
          <form className={look.card} onSubmit={submit}>
            <Textarea
              label={t("signin.code")}
              description={t("signin.codeHint")}
              placeholder={t("signin.codePlaceholder")}
              value={typed}
              onChange={(event) => (setTyped(event.currentTarget.value), command.clear())}
              onKeyDown={(event) => event.key === "Enter" && submit(event)}
              rows={2}
              spellCheck={false}
              autoComplete="off"
              autoCapitalize="off"
              error={command.failure !== null}
            />
            <Failure text={command.failure} />
            <Button type="submit" size="md" fullWidth loading={command.busy} disabled={cleanCode(typed) === ""}>
              {t("signin.continue")}
            </Button>
            <Button variant="light" size="md" fullWidth leftSection={<Icon name="scan" />} disabled={command.busy} onClick={() => (setScanning(true), command.clear())}>
              {t("signin.scan")}
            </Button>
          </form>
          <p className={look.or}>{t("signin.or")}</p>
          <section className={look.card}>
            <p className={look.hint}>{t("signin.linkHint")}</p>
            <Button variant="light" size="md" fullWidth className={look.long} leftSection={<Icon name="devices" />} disabled={command.busy} onClick={() => void command.run(() => device.beginLink())}>
              {t("signin.link")}
            </Button>
          </section>
        </>
      )}
      <p className={look.small}>{t("signin.shared")}</p>
      {/* A code is good once: what was scanned waits for the button, as an opened link does. */}
      {scanning && <ScanSheet wanted="enrolment" title={t("signin.scan")} hint={t("signin.scanHint")} onFound={(text) => (setLink(cleanCode(text)), setScanning(false))} close={() => setScanning(false)} />}
    </Stage>
  );
}
