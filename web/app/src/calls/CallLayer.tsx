// The call, wherever one is in the page: it rings above everything, and then is a bar at the top, or a stage when there are pictures.
import { ActionIcon, UnstyledButton } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Call } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { Icon } from "../look/Icon";
import type { LiveMedia } from "../media/live";
import { nameOf } from "../session/naming";
import { useLive, useView } from "../session/Session";
import { useCommand, type Command } from "../session/useCommand";
import { useNavigation } from "../shell/place";
import { Failure } from "../signin/Failure";
import { duration } from "../time/format";
import { CallStage } from "./CallStage";
import { Controls } from "./Controls";
import { IncomingCall } from "./IncomingCall";
import { Picture } from "./Picture";
import { QualityMark } from "./QualityMark";
import { Status } from "./status";
import { ring } from "./tone";
import listLook from "../conversations/list.module.css";
import look from "./calls.module.css";

/** How long it is said that, and why, a call is over. */
const ENDED_MS = 6000;

export function CallLayer() {
  const call = useView((view) => view.call);
  // A call's own state begins anew with each call.
  return call && <OneCall key={call.id} call={call} />;
}

function OneCall({ call }: { call: Call }) {
  const command = useCommand();
  const name = useView((view) => nameOf(view.accounts, call.peer));
  const [over, setOver] = useState(false);
  const ended = call.state === "ended";
  useEffect(() => {
    if (!ended) return;
    const timer = window.setTimeout(() => setOver(true), ENDED_MS);
    return () => window.clearTimeout(timer);
  }, [ended]);
  useEffect(() => {
    if (call.direction !== "outgoing" || call.state !== "ringing" || !call.here) return;
    return ring("outgoing", () => undefined);
  }, [call.direction, call.state, call.here]);

  if (over) return null;
  if (call.direction === "incoming" && call.state === "ringing") return <IncomingCall call={call} name={name} command={command} />;
  if (ended) return <Ended call={call} name={name} close={() => setOver(true)} />;
  return <Running call={call} name={name} command={command} />;
}

function Ended({ call, name, close }: { call: Call; name: string; close: () => void }) {
  const { t } = useTranslation();
  return (
    <div className={look.bar} data-state="ended" role="status">
      <Avatar id={call.peer} name={name} shape="person" size={34} />
      <p className={look.who}>
        <strong>{name}</strong>
        <span>
          {call.end ? t(`callEnd.${call.end}`) : t("call.ended")}
          {call.talkedMs > 0 && ` · ${t("call.lasted", { time: duration(call.talkedMs) })}`}
        </span>
      </p>
      <ActionIcon className={look.plain} aria-label={t("app.close")} onClick={close}>
        <Icon name="close" />
      </ActionIcon>
    </div>
  );
}

function Running({ call, name, command }: { call: Call; name: string; command: Command }) {
  const here = useLive();
  const ending = useCommand();
  const live = call.here ? here : null;
  const [stage, setStage] = useState(call.video);
  const camera = live !== null && live.camera !== "off";
  const [before, setBefore] = useState(camera);
  // Whoever turns the camera on wants to see the pictures.
  if (camera !== before) {
    setBefore(camera);
    if (camera) setStage(true);
  }
  if (live && stage) return <CallStage call={call} name={name} live={live} command={command} ending={ending} makeSmall={() => setStage(false)} />;
  return <Bar call={call} name={name} live={live} command={command} ending={ending} makeLarge={() => setStage(true)} />;
}

interface BarProps {
  call: Call;
  name: string;
  live: LiveMedia | null;
  command: Command;
  ending: Command;
  makeLarge: () => void;
}

function Bar({ call, name, live, command, ending, makeLarge }: BarProps) {
  const { t } = useTranslation();
  const { openConversation } = useNavigation();
  return (
    <>
      <div className={look.bar} data-state={live?.line === "lost" ? "peer-lost" : call.state} role="region" aria-label={t("call.talking")}>
        <button type="button" className={look.peer} title={t("call.open")} onClick={() => openConversation(call.conversation)}>
          <Avatar id={call.peer} name={name} shape="person" size={34} />
          <span className={look.who}>
            <strong>{name}</strong>
            <span role={call.state === "talking" && live?.line !== "lost" ? undefined : "status"}>
              <Status call={call} live={live} />
              {live?.muted && ` · ${t("call.muted")}`}
            </span>
          </span>
        </button>
        {live?.quality && <QualityMark quality={live.quality} />}
        {live && <Controls call={call} live={live} command={command} ending={ending} size={38} />}
      </div>
      <Failure text={ending.failure ?? command.failure} />
      <p className={listLook.hidden} role="status">
        {live?.peerCamera && t("call.peerCameraOn", { name })}
      </p>
      {live && <Small live={live} name={name} makeLarge={makeLarge} />}
    </>
  );
}

/** The pictures while something else is on the screen. */
function Small({ live, name, makeLarge }: { live: LiveMedia; name: string; makeLarge: () => void }) {
  const { t } = useTranslation();
  if (!live.peer || !(live.peerCamera || live.own)) return null;
  return (
    <UnstyledButton className={look.small} aria-label={t("call.larger")} onClick={makeLarge}>
      {live.peerCamera ? (
        <Picture stream={live.peer} label={t("call.pictureOf", { name })} />
      ) : (
        live.own && <Picture stream={live.own} mirrored={live.ownMirrored} label={t("call.ownPicture")} />
      )}
      <span className={look.enlarge} aria-hidden="true">
        <Icon name="larger" size={16} />
      </span>
    </UnstyledButton>
  );
}
