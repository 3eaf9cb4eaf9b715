// Whether the browser may announce messages and calls, and what that cannot do.
import { Button } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { permission, type Permission } from "../notifications/permission";
import { PushSwitch } from "./PushSwitch";
import look from "./settings.module.css";

const TEXT = { granted: "settings.notifyOn", default: "settings.notifyAsk", denied: "settings.notifyDenied", unsupported: "settings.notifyUnsupported" } as const;

export function Notifications() {
  const { t } = useTranslation();
  const [state, setState] = useState<Permission>(permission);
  const ask = async () => {
    await Notification.requestPermission();
    setState(permission());
  };
  return (
    <>
      <div className={look.choice}>
        <p className={look.text} role="status">
          {t(TEXT[state])}
        </p>
        {state === "default" && (
          <Button variant="light" onClick={() => void ask()}>
            {t("settings.notifyAllow")}
          </Button>
        )}
      </div>
      <PushSwitch />
    </>
  );
}
