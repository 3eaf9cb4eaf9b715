// A broadcast that is watched in this tab: large, or small while one reads on.
import { Button, UnstyledButton } from "@mantine/core";
import { useIdle } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Control } from "../calls/Controls";
import { Picture } from "../calls/Picture";
import type { Broadcast } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { Icon } from "../look/Icon";
import type { Watching } from "../media/broadcast";
import { nameOf, titleOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { Bar } from "./Bar";
import { useStage } from "./stage";
import { StageFrame } from "./StageFrame";
import callLook from "../calls/calls.module.css";
import look from "./broadcasts.module.css";

/** So long after the last movement the picture is left alone. */
const IDLE_MS = 4_000;

interface Props {
  broadcast: Broadcast;
  media: Watching;
}

export function WatcherHere({ broadcast, media }: Props) {
  const { t } = useTranslation();
  const device = useDevice();
  const { large, setLarge } = useStage();
  const name = useView((view) => nameOf(view.accounts, broadcast.sender));
  const inCall = useView((view) => view.call !== null && view.call.state !== "ended");
  useEffect(() => {
    // A call is what one hears and sees now.
    if (inCall) setLarge(false);
  }, [inCall, setLarge]);
  const leave = () => void device.leaveBroadcast(broadcast.id).catch(() => undefined); // here it is over at once; the node hears it from the silence
  const troubled = troubleOf(broadcast, media);
  const trouble = troubled && t(`broadcast.${troubled}`, { name });
  if (large) return <Large broadcast={broadcast} media={media} name={name} trouble={trouble} leave={leave} makeSmall={() => setLarge(false)} />;
  const picture = media.stream && media.picture !== "off" ? { stream: media.stream, label: t("broadcast.pictureOf", { name }), mirrored: false } : null;
  return (
    <Bar broadcast={broadcast} said={media.hushed ? t("broadcast.hushed") : trouble} lost={troubled !== null} picture={picture} makeLarge={() => setLarge(true)}>
      {media.blocked ? (
        <Button size="compact-md" radius="xl" className={look.plain} leftSection={<Icon name="speaker" size={18} />} onClick={() => device.playSound()}>
          {t("broadcast.tapForSound")}
        </Button>
      ) : (
        <Mute media={media} size={38} />
      )}
      <Control label={t("broadcast.leave")} icon="close" size={38} press={leave} />
    </Bar>
  );
}

/** What keeps it from being seen and heard; the own line first: while it is gone nothing else is known. */
function troubleOf(broadcast: Broadcast, media: Watching): "connecting" | "reconnecting" | "senderLost" | "stalled" | null {
  if (media.line === "lost") return "reconnecting";
  if (media.line === "connecting") return "connecting";
  if (broadcast.state === "sender-lost") return "senderLost";
  return media.picture === "stalled" ? "stalled" : null;
}

function Mute({ media, size }: { media: Watching; size: number }) {
  const { t } = useTranslation();
  const device = useDevice();
  const before = useRef(media.volume || 1);
  if (media.volume > 0) before.current = media.volume;
  const silent = media.volume === 0;
  return <Control label={silent ? t("broadcast.soundOn") : t("broadcast.soundOff")} icon={silent ? "speakerOff" : "speaker"} size={size} pressed={silent} press={() => device.setVolume(silent ? before.current : 0)} />;
}

interface LargeProps extends Props {
  name: string;
  trouble: string | null;
  leave: () => void;
  makeSmall: () => void;
}

function Large({ broadcast, media, name, trouble, leave, makeSmall }: LargeProps) {
  const { t } = useTranslation();
  const idle = useIdle(IDLE_MS, { initialState: false });
  const channel = useView((view) => {
    const conversation = view.conversations.find(({ id }) => id === broadcast.conversation);
    return conversation ? titleOf(conversation, view.me, view.accounts) : "";
  });
  return (
    <StageFrame
      broadcast={broadcast}
      media={media}
      by={[name, channel].filter((part) => part !== "").join(" · ")}
      idle={idle && media.picture === "on" && trouble === null && !media.blocked}
      makeSmall={makeSmall}
      picture={<Seen broadcast={broadcast} media={media} name={name} trouble={trouble} />}
      controls={
        <div className={look.watchControls}>
          <Volume media={media} />
          <FullScreen />
          <Button size="md" radius="xl" className={look.plain} h={48} leftSection={<Icon name="leave" size={20} />} onClick={leave}>
            {t("broadcast.leave")}
          </Button>
        </div>
      }
    />
  );
}

function Seen({ broadcast, media, name, trouble }: Props & { name: string; trouble: string | null }) {
  const { t } = useTranslation();
  const shown = media.stream !== null && media.picture !== "off";
  return (
    <>
      {shown && media.stream ? (
        <div className={callLook.peerPicture} data-dim={trouble !== null || undefined}>
          <Picture stream={media.stream} label={t("broadcast.pictureOf", { name })} />
        </div>
      ) : (
        <div className={callLook.noPicture}>
          <Avatar id={broadcast.sender} name={name} shape="person" size={128} />
          <h2 className={look.soundOnly}>{name}</h2>
          {media.blocked ? <TapForSound /> : <p>{trouble === null && t("broadcast.pictureOff", { name })}</p>}
        </div>
      )}
      {/* Always there, so that screen readers hear it change. */}
      <p className={`${callLook.lost} ${look.trouble}`} data-below={shown ? undefined : true} role="status">
        {trouble !== null && (
          <span>
            <Icon name={media.line === "connecting" ? "clock" : "cloudOff"} size={20} /> {trouble}
          </span>
        )}
      </p>
      {media.hushed && <p className={look.hushed}>{t("broadcast.hushed")}</p>}
      {media.blocked && shown && <TapForSound />}
    </>
  );
}

function TapForSound() {
  const { t } = useTranslation();
  const device = useDevice();
  return (
    <UnstyledButton className={look.tap} onClick={() => device.playSound()}>
      <Icon name="speaker" size={34} />
      <strong>{t("broadcast.tapForSound")}</strong>
      <span>{t("broadcast.tapForSoundHint")}</span>
    </UnstyledButton>
  );
}

function Volume({ media }: { media: Watching }) {
  const { t } = useTranslation();
  const device = useDevice();
  return (
    <div className={look.volume}>
      <Mute media={media} size={48} />
      <input type="range" min={0} max={100} step={5} value={Math.round(media.volume * 100)} aria-label={t("broadcast.volume")} aria-valuetext={`${Math.round(media.volume * 100)} %`} onChange={({ currentTarget }) => device.setVolume(Number(currentTarget.value) / 100)} />
    </div>
  );
}

/** Of the whole page: what opens above the stage belongs to it. */
function FullScreen() {
  const { t } = useTranslation();
  const [full, setFull] = useState(() => Boolean(document.fullscreenElement));
  useEffect(() => {
    const changed = () => setFull(Boolean(document.fullscreenElement));
    document.addEventListener("fullscreenchange", changed);
    return () => {
      document.removeEventListener("fullscreenchange", changed);
      if (document.fullscreenElement) void document.exitFullscreen();
    };
  }, []);
  // Phones of one maker give it to films only.
  if (!document.fullscreenEnabled) return null;
  // Refused: it stays as large as the window.
  const press = () => void (full ? document.exitFullscreen() : document.documentElement.requestFullscreen()).catch(() => undefined);
  return <Control label={full ? t("broadcast.notFull") : t("broadcast.full")} icon={full ? "notFull" : "full"} size={48} press={press} />;
}
