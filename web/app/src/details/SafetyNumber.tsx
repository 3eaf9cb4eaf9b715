// 60 digits that are equal on both sides, to compare by voice or by scanning.
import { Button } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { AccountId } from "../device/contract";
import { Qr } from "../look/Qr";
import { useDevice } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { Failure } from "../signin/Failure";
import { Section } from "./parts";
import look from "./details.module.css";

export function SafetyNumber({ id, name }: { id: AccountId; name: string }) {
  const { t } = useTranslation();
  const device = useDevice();
  const { run, failure } = useCommand();
  const [digits, setDigits] = useState<string | null>(null);
  const [scan, setScan] = useState(false);
  useEffect(() => void run(async () => setDigits(await device.safetyNumber(id))), [run, device, id]);
  const groups = digits?.replace(/\D/g, "").match(/\d{1,5}/g) ?? [];
  return (
    <Section title={t("details.safety")} icon="shield">
      <p className={look.text}>{t("details.safetyHint", { name })}</p>
      <Failure text={failure} />
      {digits !== null && (
        <>
          <p className={look.digits} aria-label={groups.join(" ")} role="img">
            {groups.map((group, at) => (
              <span key={at}>{group}</span>
            ))}
          </p>
          {scan && (
            <div className={look.qr}>
              <Qr text={groups.join("")} label={t("details.safetyQr")} size={188} />
            </div>
          )}
          <Button variant="subtle" size="compact-md" aria-expanded={scan} onClick={() => setScan(!scan)}>
            {t("details.safetyQr")}
          </Button>
        </>
      )}
    </Section>
  );
}
