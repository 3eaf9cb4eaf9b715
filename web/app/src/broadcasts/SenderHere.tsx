// A broadcast that is sent from this tab: what the others see, how many they are, and the controls; or a bar, while one looks something up.
import { Button } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Control, hasTwoSides } from "../calls/Controls";
import { isTaken } from "../calls/words";
import { DeviceMenu } from "../calls/DeviceMenu";
import { Picture } from "../calls/Picture";
import type { Broadcast } from "../device/contract";
import { Confirm } from "../look/Confirm";
import { Icon } from "../look/Icon";
import type { Sending } from "../media/broadcast";
import { canShowScreen } from "../media/devices";
import type { Studio } from "../media/studio";
import { titleOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { usePhone } from "../shell/usePhone";
import { Failure } from "../signin/Failure";
import { Bar } from "./Bar";
import { useStage } from "./stage";
import { ABOVE_BROADCAST, StageFrame } from "./StageFrame";
import { Status } from "./Status";
import { useStudioFailure } from "./useStudio";
import callLook from "../calls/calls.module.css";
import look from "./broadcasts.module.css";

interface Props {
  broadcast: Broadcast;
  media: Sending;
}

export function SenderHere({ broadcast, media }: Props) {
  const { t } = useTranslation();
  const phone = usePhone();
  const { large, setLarge } = useStage();
  const [dialog, setDialog] = useState<"stop" | "status" | null>(null);
  const inCall = useView((view) => isTaken(view.call));
  useEffect(() => {
    if (inCall) setLarge(false);
  }, [inCall, setLarge]);
  const close = () => setDialog(null);
  const lost = media.line === "lost" || broadcast.state === "sender-lost";
  const { own, mirrored, muted, picture } = media.studio;
  const controls = { broadcast, media, inCall, stop: () => setDialog("stop"), status: () => setDialog("status") };
  return (
    <>
      {large ? (
        <Large {...controls} lost={lost} covered={dialog !== null} makeSmall={() => setLarge(false)} />
      ) : (
        <Bar
          broadcast={broadcast}
          said={lost ? t("broadcast.ownLost") : inCall && muted ? t("broadcast.hushed") : muted ? t("broadcast.muted") : null}
          lost={lost}
          picture={own && picture !== "off" ? { stream: own, label: t("broadcast.ownPicture"), mirrored } : null}
          makeLarge={() => setLarge(true)}
        >
          <Microphone {...controls} size={38} />
          {!phone && <Control label={t("broadcastStatus.open")} icon="chart" size={38} press={controls.status} />}
          <Button size="compact-md" radius="xl" color="red" onClick={controls.stop}>
            {t("broadcast.end")}
          </Button>
        </Bar>
      )}
      {dialog === "stop" && <Stop broadcast={broadcast} close={close} />}
      {dialog === "status" && <Status broadcast={broadcast} close={close} />}
    </>
  );
}

export function Stop({ broadcast, close }: { broadcast: Broadcast; close: () => void }) {
  const { t } = useTranslation();
  const device = useDevice();
  return <Confirm title={t("broadcast.endTitle")} text={t("broadcast.endAsk")} action={t("broadcast.endDo")} run={() => device.stopBroadcast(broadcast.id)} close={close} zIndex={ABOVE_BROADCAST} />;
}

interface ControlsProps extends Props {
  inCall: boolean;
  stop: () => void;
  status: () => void;
}

function useStudioOf(): Studio | null {
  return useDevice().studio();
}

function Microphone({ media, inCall, size }: ControlsProps & { size: number }) {
  const { t } = useTranslation();
  const studio = useStudioOf();
  const { muted, microphone } = media.studio;
  const off = muted || microphone !== "on";
  const press = () => (microphone === "on" ? studio?.mute(!muted) : void studio?.openMicrophone());
  // In a call the microphone is the call's.
  if (inCall) return null;
  return <Control label={off ? t("broadcast.unmute") : t("broadcast.mute")} icon={off ? "micOff" : "mic"} size={size} pressed={off} loading={microphone === "starting"} press={press} />;
}

function Large({ broadcast, media, lost, covered, makeSmall, ...rest }: ControlsProps & { lost: boolean; covered: boolean; makeSmall: () => void }) {
  const { t } = useTranslation();
  const channel = useView((view) => {
    const conversation = view.conversations.find(({ id }) => id === broadcast.conversation);
    return conversation ? titleOf(conversation, view.me, view.accounts) : "";
  });
  const failure = useStudioFailure(media.studio);
  return (
    <StageFrame
      broadcast={broadcast}
      media={media}
      by={[t("broadcast.isLive"), channel].filter((part) => part !== "").join(" · ")}
      makeSmall={makeSmall}
      covered={covered}
      picture={<Own media={media} lost={lost} />}
      controls={
        <>
          <Failure text={failure} />
          <SenderControls broadcast={broadcast} media={media} {...rest} />
        </>
      }
    />
  );
}

function Own({ media, lost }: { media: Sending; lost: boolean }) {
  const { t } = useTranslation();
  const { own, mirrored, muted } = media.studio;
  return (
    <>
      {own ? (
        <div className={`${callLook.peerPicture} ${look.own}`} data-dim={lost || undefined}>
          <Picture stream={own} mirrored={mirrored} label={t("broadcast.ownPicture")} />
        </div>
      ) : (
        <div className={callLook.noPicture}>
          <Icon name="sound" size={72} />
          <p>{t("broadcast.soundOnly")}</p>
        </div>
      )}
      <p className={`${callLook.lost} ${look.trouble}`} data-below={own ? undefined : true} role="status">
        {lost && (
          <span>
            <Icon name="cloudOff" size={20} /> {t("broadcast.ownLost")}
          </span>
        )}
      </p>
      {muted && !lost && (
        <p className={look.hushed} role="status">
          <Icon name="micOff" size={18} /> {t("broadcast.muted")}
        </p>
      )}
    </>
  );
}

function SenderControls(props: ControlsProps) {
  const { media, stop, status } = props;
  const { t } = useTranslation();
  const studio = useStudioOf();
  const size = usePhone() ? 48 : 52;
  const { picture } = media.studio;
  const [wanted, setWanted] = useState<"camera" | "screen" | null>(null);
  const show = (source: "camera" | "screen") => {
    setWanted(source);
    void studio?.show(picture === source ? null : source);
  };
  const starting = picture === "starting" ? wanted : null;
  return (
    <div className={`${callLook.controls} ${look.sendControls}`}>
      <Microphone {...props} size={size} />
      <Control label={picture === "camera" ? t("broadcast.cameraOff") : t("broadcast.cameraOn")} icon={picture === "camera" ? "video" : "videoOff"} size={size} pressed={picture !== "camera"} loading={starting === "camera"} press={() => show("camera")} />
      {canShowScreen() && <Control label={picture === "screen" ? t("broadcast.screenOff") : t("broadcast.screenOn")} icon={picture === "screen" ? "screenOff" : "screen"} size={size} loading={starting === "screen"} press={() => show("screen")} />}
      {picture === "camera" && hasTwoSides() && <Control label={t("call.turnCamera")} icon="turn" size={size} press={() => void studio?.turnCamera()} />}
      <DeviceMenu size={size} />
      <Control label={t("broadcastStatus.open")} icon="chart" size={size} press={status} />
      <Button size="md" h={size} radius="xl" color="red" className={look.stop} onClick={stop}>
        {t("broadcast.end")}
      </Button>
    </div>
  );
}
