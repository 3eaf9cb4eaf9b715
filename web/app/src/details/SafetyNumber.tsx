// 60 digits that are equal on both sides, to compare by voice or by scanning.
import { Button } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { AccountId } from "../device/contract";
import { Icon } from "../look/Icon";
import { Qr } from "../look/Qr";
import { ScanSheet } from "../scan/ScanSheet";
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
  const [shown, setShown] = useState(false);
  const [scanning, setScanning] = useState(false);
  const [scanned, setScanned] = useState<string | null>(null);
  useEffect(() => void run(async () => setDigits(await device.safetyNumber(id))), [run, device, id]);
  useEffect(() => setScanned(null), [digits]);
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
          {shown && (
            <div className={look.qr}>
              <Qr text={groups.join("")} label={t("details.safetyQr")} size={188} />
            </div>
          )}
          {scanned !== null && <Compared same={scanned === groups.join("")} name={name} />}
          <div className={look.compare}>
            <Button variant="subtle" size="compact-md" aria-expanded={shown} onClick={() => setShown(!shown)}>
              {t("details.safetyQr")}
            </Button>
            <Button variant="subtle" size="compact-md" leftSection={<Icon name="scan" size={17} />} onClick={() => setScanning(true)}>
              {t("details.safetyScan")}
            </Button>
          </div>
          {scanning && (
            <ScanSheet
              wanted="safety"
              title={t("details.safetyScanTitle")}
              hint={t("details.safetyScanHint", { name })}
              onFound={(text) => (setScanned(text), setScanning(false))}
              close={() => setScanning(false)}
            />
          )}
        </>
      )}
    </Section>
  );
}

function Compared({ same, name }: { same: boolean; name: string }) {
  const { t } = useTranslation();
  return (
    <p role="alert" className={look.compared} data-same={same || undefined}>
      <Icon name={same ? "check" : "alert"} size={18} />
      <span>{same ? t("details.safetySame", { name }) : t("details.safetyDiffers", { name })}</span>
    </p>
  );
}
