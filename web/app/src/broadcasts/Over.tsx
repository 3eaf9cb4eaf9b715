// That a broadcast is over, and why: on the stage to who watched it large, in a bar to who did not.
import { ActionIcon, Button, Modal } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Broadcast } from "../device/contract";
import { Icon } from "../look/Icon";
import { useView } from "../session/Session";
import { duration } from "../time/format";
import { useTitle } from "./parts";
import { useStage } from "./stage";
import { BROADCAST_STAGE } from "./StageFrame";
import callLook from "../calls/calls.module.css";
import look from "./broadcasts.module.css";

export function Over({ broadcast, close }: { broadcast: Broadcast; close: () => void }) {
  const { t } = useTranslation();
  const { large } = useStage();
  const title = useTitle(broadcast);
  const device = useView((view) => view.device);
  const [endedAtMs] = useState(() => Date.now());
  const lasted = t("broadcast.lasted", { time: duration(endedAtMs - broadcast.startedAtMs) });
  const why = broadcast.end && t(`broadcastEnd.${broadcast.end}`);
  // Who has just ended it knows why.
  if (large && broadcast.device !== device) {
    return (
      <Modal.Root opened onClose={close} fullScreen lockScroll={false} zIndex={BROADCAST_STAGE} transitionProps={{ duration: 0 }}>
        <Modal.Content aria-label={t("broadcast.over")} radius={0}>
          <div className={`${callLook.stage} ${look.over}`}>
            <Icon name="broadcast" size={64} />
            <div role="status">
              <h2>{t("broadcast.over")}</h2>
              {why && <p>{why}</p>}
              <p className={look.overTitle}>
                {title} · {lasted}
              </p>
            </div>
            <Button size="md" radius="xl" className={look.plain} h={48} onClick={close} data-autofocus>
              {t("app.close")}
            </Button>
          </div>
        </Modal.Content>
      </Modal.Root>
    );
  }
  return (
    <div className={callLook.bar} data-state="ended" role="status">
      <Icon name="broadcast" size={26} />
      <p className={callLook.who}>
        <strong>{title}</strong>
        <span>
          {why ?? t("broadcast.ended")} · {lasted}
        </span>
      </p>
      <ActionIcon className={callLook.plain} aria-label={t("app.close")} onClick={close}>
        <Icon name="close" />
      </ActionIcon>
    </div>
  );
}
