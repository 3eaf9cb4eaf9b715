// An account's devices. Own ones can be revoked.
import { Button, Loader } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { AccountId, DeviceInfo } from "../device/contract";
import { Confirm } from "../look/Confirm";
import { Icon } from "../look/Icon";
import { useDevice, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useLanguage } from "../shell/useLanguage";
import { Failure } from "../signin/Failure";
import { moment } from "../time/format";
import look from "./details.module.css";

/** `account` null: the own devices. */
export function DeviceList({ account }: { account: AccountId | null }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const device = useDevice();
  const { run, failure } = useCommand();
  const [devices, setDevices] = useState<DeviceInfo[] | null>(null);
  const [revoking, setRevoking] = useState<DeviceInfo | null>(null);
  const [version, setVersion] = useState(0);
  // A device that came or went is told by a notice, and the groups' members change with it.
  const changed = useView((view) => view.notices.length);
  useEffect(() => void run(async () => setDevices(await device.devices(account))), [run, device, account, version, changed]);
  const fresh = useView((view) => view.notices.filter((notice) => notice.kind.endsWith("device-added")).map((notice) => notice.device).join(" "));

  if (failure !== null) return <Failure text={failure} />;
  if (devices === null) return <Loader size="sm" aria-label={t("app.loading")} />;
  return (
    <>
      <ul className={look.deviceList}>
        {devices
          .toSorted((a, b) => Number(b.own) - Number(a.own) || b.enrolledAtMs - a.enrolledAtMs)
          .map((one) => (
            <li key={one.id} className={look.device}>
              <span className={look.deviceIcon} data-online={one.online || undefined}>
                <Icon name="devices" />
              </span>
              <div className={look.deviceLines}>
                <p>
                  <strong>{account === null ? (one.own ? t("settings.thisDevice") : t("settings.otherDevice")) : t("details.device")}</strong>
                  {fresh.includes(one.id) && <span className={look.fresh}>{t("details.newDevice")}</span>}
                </p>
                <p className={look.muted}>
                  {one.online ? t("settings.deviceOnline") : t("settings.deviceOffline")} · {t("details.enrolled", { when: moment(one.enrolledAtMs, language) })}
                </p>
                <p className={look.fingerprint} aria-label={`${t("details.fingerprint")}: ${one.fingerprint}`} role="img">
                  {one.fingerprint.split(" ").map((group, at) => (
                    <span key={at}>{group}</span>
                  ))}
                </p>
              </div>
              {account === null && !one.own && (
                <Button size="compact-sm" variant="light" color="red" onClick={() => setRevoking(one)}>
                  {t("settings.revoke")}
                </Button>
              )}
            </li>
          ))}
      </ul>
      {revoking && (
        <Confirm
          title={t("settings.revokeDo")}
          text={t("settings.revokeAsk")}
          action={t("settings.revokeDo")}
          run={async () => {
            await device.revokeDevice(revoking.id);
            setVersion(version + 1);
          }}
          close={() => setRevoking(null)}
        />
      )}
    </>
  );
}
