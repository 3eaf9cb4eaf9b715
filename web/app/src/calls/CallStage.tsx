// A call with pictures: the other large, oneself small, everything else out of the way until it is made small again.
import { ActionIcon, Modal, Tooltip } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Call } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { Icon } from "../look/Icon";
import type { LiveMedia } from "../media/live";
import type { Command } from "../session/useCommand";
import { Failure } from "../signin/Failure";
import { ABOVE_STAGE, Controls } from "./Controls";
import { Picture } from "./Picture";
import { QualityMark } from "./QualityMark";
import { Status } from "./status";
import { useWakeLock } from "./useWakeLock";
import look from "./calls.module.css";

interface Props {
  call: Call;
  name: string;
  live: LiveMedia;
  command: Command;
  ending: Command;
  makeSmall: () => void;
}

export function CallStage({ call, name, live, command, ending, makeSmall }: Props) {
  const { t } = useTranslation();
  useWakeLock();
  return (
    <Modal.Root opened onClose={makeSmall} fullScreen closeOnClickOutside={false} lockScroll={false} zIndex={440} transitionProps={{ duration: 0 }}>
      <Modal.Content aria-label={t("call.with", { name })} radius={0}>
        {/* The focus is in the call and on nothing that a key pressed too early would set off. */}
        <div className={look.stage} tabIndex={-1} data-autofocus>
          <Peer call={call} name={name} live={live} />
          <header className={look.top}>
            <div className={look.who}>
              <strong>{name}</strong>
              <span role={call.state === "talking" && live.line !== "lost" ? undefined : "status"}>
                <Status call={call} live={live} />
                {live.muted && ` · ${t("call.muted")}`}
              </span>
            </div>
            {live.quality && <QualityMark quality={live.quality} />}
            <Tooltip label={t("call.smaller")} zIndex={ABOVE_STAGE}>
              <ActionIcon size={40} radius="xl" className={look.plain} aria-label={t("call.smaller")} onClick={makeSmall}>
                <Icon name="smaller" />
              </ActionIcon>
            </Tooltip>
          </header>
          {live.own && <Picture stream={live.own} mirrored={live.ownMirrored} label={t("call.ownPicture")} className={look.own} />}
          <footer className={look.bottom}>
            <Failure text={ending.failure ?? command.failure ?? (live.cameraFailure === null ? null : t("error.camera"))} />
            <Controls call={call} live={live} command={command} ending={ending} size={52} />
          </footer>
        </div>
      </Modal.Content>
    </Modal.Root>
  );
}

function Peer({ call, name, live }: { call: Call; name: string; live: LiveMedia }) {
  const { t } = useTranslation();
  const talks = call.state === "talking" || call.state === "peer-lost";
  const lost = live.line === "lost" || call.state === "peer-lost";
  const dim = lost || live.peerStalled;
  if (live.peer && live.peerCamera) {
    return (
      <div className={look.peerPicture} data-dim={dim || undefined}>
        <Picture stream={live.peer} label={t("call.pictureOf", { name })} />
        {lost && (
          <p className={look.lost} aria-hidden="true">
            <Icon name="cloudOff" size={20} /> {t(live.line === "lost" ? "call.reconnecting" : "call.peerLost")}
          </p>
        )}
        {!lost && live.peerStalled && (
          <p className={look.lost} role="status">
            <Icon name="cloudOff" size={20} /> {t("call.peerStalled")}
          </p>
        )}
      </div>
    );
  }
  return (
    <div className={look.noPicture}>
      <div className={call.state === "ringing" ? look.ringing : undefined}>
        <Avatar id={call.peer} name={name} shape="person" size={128} />
      </div>
      <h2>{name}</h2>
      {/* Always there, so that screen readers hear it change. */}
      <p role="status">
        {talks && (
          <>
            <Icon name="videoOff" size={18} /> {t("call.peerCameraOff", { name })}
          </>
        )}
      </p>
    </div>
  );
}
