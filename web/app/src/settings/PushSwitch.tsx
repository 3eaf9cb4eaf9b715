// Whether this browser is woken for messages and calls while the app is closed, and what the push service learns by it.
import { Switch } from "@mantine/core";
import { useEffect, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { pushState, turnOff, turnOn, type PushState } from "../push/push";
import { useCommand } from "../session/useCommand";
import { useDevice } from "../session/Session";
import look from "./settings.module.css";

const CANNOT = { unsupported: "settings.pushUnsupported", "node-off": "settings.pushNodeOff", blocked: "settings.pushBlocked" } as const;

export function PushSwitch() {
  const { t } = useTranslation();
  const device = useDevice();
  const { busy, failure, run } = useCommand();
  const [state, setState] = useState<PushState | "unknown">("unknown");
  const about = useId();

  useEffect(() => {
    let here = true;
    // A node that does not answer says nothing about itself.
    pushState().then((found) => here && setState(found), () => here && setState("unknown"));
    return () => {
      here = false;
    };
  }, []);

  const change = async (on: boolean) => {
    const went = await run(async () => setState(await (on ? turnOn(device) : turnOff(device))));
    // What was half done stays so: the switch shows what is.
    if (!went) setState(await pushState().catch(() => "unknown" as const));
  };

  if (state === "unknown") return <p className={look.honest}>{t("settings.notifyHonest")}</p>;
  if (state !== "on" && state !== "off") {
    return (
      <>
        <p className={look.text} role="status">
          {t(CANNOT[state])}
        </p>
        <p className={look.honest}>{t("settings.notifyHonest")}</p>
      </>
    );
  }
  return (
    <>
      <Switch
        className={look.wake}
        size="sm"
        labelPosition="left"
        label={t("settings.push")}
        aria-describedby={about}
        checked={state === "on"}
        disabled={busy}
        onChange={(event) => void change(event.currentTarget.checked)}
      />
      <p className={look.text} id={about}>
        {t("settings.pushLearns")}
      </p>
      {failure && (
        <p className={look.failure} role="alert">
          {failure}
        </p>
      )}
      <p className={look.honest}>{t(state === "on" ? "settings.pushHonest" : "settings.notifyHonest")}</p>
    </>
  );
}
