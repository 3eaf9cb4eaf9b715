// The call, wherever one is in the page: it rings above everything, and then is a bar at the top.
import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Call } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { Icon } from "../look/Icon";
import { nameOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { useCommand, type Command } from "../session/useCommand";
import { useNavigation } from "../shell/place";
import { useNow } from "../shell/useNow";
import { Failure } from "../signin/Failure";
import { duration } from "../time/format";
import { IncomingCall } from "./IncomingCall";
import { ring } from "./tone";
import look from "./calls.module.css";

/** How long it is said that, and why, a call is over. */
const ENDED_MS = 6000;

export function CallLayer() {
  const call = useView((view) => view.call);
  // A call's own state begins anew with each call.
  return call && <OneCall key={call.id} call={call} />;
}

function OneCall({ call }: { call: Call }) {
  const { t } = useTranslation();
  const device = useDevice();
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
  if (ended) {
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
        <ActionIcon className={look.plain} aria-label={t("app.close")} onClick={() => setOver(true)}>
          <Icon name="close" />
        </ActionIcon>
      </div>
    );
  }
  return <Running call={call} name={name} command={command} hangUp={() => void command.run(() => device.hangUp())} />;
}

function Running({ call, name, command, hangUp }: { call: Call; name: string; command: Command; hangUp: () => void }) {
  const { t } = useTranslation();
  const device = useDevice();
  const { openConversation } = useNavigation();
  const [muted, setMuted] = useState(false);
  const mute = async () => {
    if (await command.run(() => device.setMuted(!muted))) setMuted(!muted);
  };
  return (
    <>
      <div className={look.bar} data-state={call.state} role="region" aria-label={t("call.talking")}>
        <button type="button" className={look.peer} title={t("call.open")} onClick={() => openConversation(call.conversation)}>
          <Avatar id={call.peer} name={name} shape="person" size={34} />
          <span className={look.who}>
            <strong>{name}</strong>
            <span role={call.state === "talking" ? undefined : "status"}>
              <Status call={call} />
              {muted && ` · ${t("call.muted")}`}
            </span>
          </span>
        </button>
        {call.here ? (
          <>
            {(call.state === "talking" || call.state === "peer-lost") && (
              <Tooltip label={muted ? t("call.unmute") : t("call.mute")}>
                <ActionIcon className={look.plain} data-on={muted || undefined} aria-label={muted ? t("call.unmute") : t("call.mute")} aria-pressed={muted} onClick={() => void mute()}>
                  <Icon name={muted ? "micOff" : "mic"} />
                </ActionIcon>
              </Tooltip>
            )}
            <Button color="red" radius="xl" className={look.hangUp} leftSection={<Icon name="phoneDown" />} onClick={hangUp}>
              {t("call.hangUp")}
            </Button>
          </>
        ) : null}
      </div>
      <Failure text={command.failure} />
    </>
  );
}

function Status({ call }: { call: Call }) {
  const { t } = useTranslation();
  if (!call.here) return t("call.elsewhere");
  switch (call.state) {
    case "starting":
      return t("call.starting");
    case "ringing":
      return t("call.ringing");
    case "connecting":
      return t("call.connecting");
    case "peer-lost":
      return t("call.peerLost");
    case "talking":
      return <Duration since={call.talkingSinceMs} />;
    case "ended":
      return t("call.ended");
  }
}

function Duration({ since }: { since: number }) {
  const { t } = useTranslation();
  const now = useNow(1000);
  return (
    <>
      <span role="timer">{duration(now - since)}</span>
      <span className={look.encrypted}>
        <Icon name="lock" size={13} />
        {t("call.encrypted")}
      </span>
    </>
  );
}
