// The stage of a broadcast: the picture, whole, and above and below it what is known and what can be done. Both sides have the same.
import { ActionIcon, Modal, Tooltip } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ABOVE_STAGE } from "../calls/Controls";
import { QualityMark } from "../calls/QualityMark";
import { useWakeLock } from "../calls/useWakeLock";
import type { Broadcast } from "../device/contract";
import { Icon } from "../look/Icon";
import type { BroadcastMedia } from "../media/broadcast";
import { Elapsed, LiveBadge, useTitle, Viewers } from "./parts";
import callLook from "../calls/calls.module.css";
import look from "./broadcasts.module.css";

/** Below a call, which is more urgent. */
export const BROADCAST_STAGE = 430;
/** Dialogs of the stage. */
export const ABOVE_BROADCAST = 435;

interface Props {
  broadcast: Broadcast;
  media: BroadcastMedia;
  /** Under the title: who sends, or that one does. */
  by: string;
  picture: ReactNode;
  controls: ReactNode;
  makeSmall: () => void;
  /** Another dialog is above it and has the Escape key. */
  covered?: boolean;
  /** Nobody has moved for a while: the picture alone is left. */
  idle?: boolean;
}

export function StageFrame({ broadcast, media, by, picture, controls, makeSmall, covered = false, idle = false }: Props) {
  const { t } = useTranslation();
  const title = useTitle(broadcast);
  useWakeLock();
  return (
    <Modal.Root opened onClose={makeSmall} fullScreen closeOnClickOutside={false} closeOnEscape={!covered} lockScroll={false} zIndex={BROADCAST_STAGE} transitionProps={{ duration: 0 }}>
      <Modal.Content aria-label={`${t("broadcast.one")}: ${title}`} radius={0}>
        <div className={`${callLook.stage} ${look.stage}`} data-idle={idle || undefined} tabIndex={-1} data-autofocus>
          {picture}
          <div className={`${callLook.top} ${look.top}`}>
            <div className={look.about}>
              <div className={look.aboutLine}>
                <LiveBadge waits={broadcast.state === "sender-lost" || media.line === "lost"} />
                <Elapsed since={broadcast.startedAtMs} />
                <Viewers count={broadcast.viewers} />
              </div>
              <h2 dir="auto">{title}</h2>
              <p>{by}</p>
            </div>
            {media.quality && <QualityMark quality={media.quality} />}
            <Tooltip label={t("broadcast.smaller")} zIndex={ABOVE_STAGE}>
              <ActionIcon size={40} radius="xl" className={callLook.plain} aria-label={t("broadcast.smaller")} onClick={makeSmall}>
                <Icon name="smaller" />
              </ActionIcon>
            </Tooltip>
          </div>
          <div className={`${callLook.bottom} ${look.bottom}`}>{controls}</div>
        </div>
      </Modal.Content>
    </Modal.Root>
  );
}
