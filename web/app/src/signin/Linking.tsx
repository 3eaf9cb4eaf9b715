// Shows the code that an existing device certifies, and how long it is good for.
import { Button } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { CopyButton } from "../look/CopyButton";
import { Qr } from "../look/Qr";
import { useDevice, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useNow } from "../shell/useNow";
import { duration } from "../time/format";
import { Failure } from "./Failure";
import { Stage } from "./Stage";
import look from "./signin.module.css";

/** As the contract says of `beginLink`. */
const VALID_MS = 5 * 60_000;

export function Linking() {
  const { t } = useTranslation();
  const device = useDevice();
  const command = useCommand();
  const code = useView((view) => view.linkCode);
  const now = useNow(1000);
  const [shownAt, setShownAt] = useState(() => Date.now());
  useEffect(() => setShownAt(Date.now()), [code]);
  const left = Math.max(0, shownAt + VALID_MS - now);

  return (
    <Stage lead={null} compact>
      <section className={look.card} aria-labelledby="linking">
        <h2 id="linking">{t("linking.title")}</h2>
        <ol className={look.steps}>
          <li>{t("linking.step1")}</li>
          <li>{t("linking.step2")}</li>
          <li>{t("linking.step3")}</li>
        </ol>
        {code === null ? (
          <p className={look.hint} role="status">
            {t("linking.preparing")}
          </p>
        ) : (
          <>
            <div className={look.qr}>
              <Qr text={code} label={t("linking.qr")} size={208} />
            </div>
            <div className={look.code}>
              <div role="textbox" aria-readonly="true" aria-multiline="true" aria-label={t("linking.text")} tabIndex={0}>
                {code}
              </div>
              <CopyButton text={code} />
            </div>
            <p className={look.waiting} role="status">
              {left > 0 ? t("linking.waiting") : t("linking.over")}
            </p>
            {left > 0 && <p className={look.small}>{t("linking.valid", { time: duration(left) })}</p>}
          </>
        )}
        <Failure text={command.failure} />
        <Button variant="default" fullWidth loading={command.busy} onClick={() => void command.run(() => device.cancelLink())}>
          {t("app.cancel")}
        </Button>
      </section>
    </Stage>
  );
}
