// An own broadcast that no tab sends any more, because its page was loaded anew or closed: the node waits half a minute for it.
import { Button } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Broadcast } from "../device/contract";
import { Icon } from "../look/Icon";
import { useView } from "../session/Session";
import { GoLive } from "./GoLive";
import { useTitle } from "./parts";
import { Stop } from "./SenderHere";
import callLook from "../calls/calls.module.css";
import look from "./broadcasts.module.css";

export function Interrupted({ broadcast }: { broadcast: Broadcast }) {
  const { t } = useTranslation();
  const [dialog, setDialog] = useState<"go-on" | "stop" | null>(null);
  const conversation = useView((view) => view.conversations.find(({ id }) => id === broadcast.conversation));
  const title = useTitle(broadcast);
  const close = () => setDialog(null);
  return (
    <>
      <section className={`${callLook.bar} ${look.interrupted}`} aria-label={t("broadcast.interrupted")}>
        <Icon name="alert" size={24} />
        <p className={callLook.who} role="status">
          <strong>{t("broadcast.interrupted")}</strong>
          <span>
            {title} · {t("broadcast.interruptedHint")}
          </span>
        </p>
        <div className={callLook.controls}>
          <Button radius="xl" className={look.plain} onClick={() => setDialog("go-on")}>
            {t("broadcast.goOn")}
          </Button>
          <Button radius="xl" color="red" onClick={() => setDialog("stop")}>
            {t("broadcast.end")}
          </Button>
        </div>
      </section>
      {dialog === "go-on" && conversation && <GoLive conversation={conversation} interrupted={broadcast} close={close} />}
      {dialog === "stop" && <Stop broadcast={broadcast} close={close} />}
    </>
  );
}
