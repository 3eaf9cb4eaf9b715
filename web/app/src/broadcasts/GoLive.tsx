// Before one goes live: what it is about, what is shown, how it looks and whether one is heard. Nothing leaves before the button is pressed.
import { Button, Loader, Modal, NativeSelect, TextInput, UnstyledButton } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Picture } from "../calls/Picture";
import { useDevices } from "../calls/useDevices";
import { BROADCAST_TITLE_BYTES_MAX, type Broadcast, type Conversation } from "../device/contract";
import { utf8Length } from "../files/name";
import { Icon, type IconName } from "../look/Icon";
import { canShowScreen } from "../media/devices";
import type { Studio, StudioState } from "../media/studio";
import { peopleOf, titleOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useFocusBack } from "../shell/useFocusBack";
import { usePhone } from "../shell/usePhone";
import { Failure } from "../signin/Failure";
import { useStage } from "./stage";
import { useStudio, useStudioFailure } from "./useStudio";
import look from "./GoLive.module.css";

interface Props {
  conversation: Conversation;
  /** The one to go on with; without it a new one begins. */
  interrupted?: Broadcast;
  close: () => void;
}

export function GoLive({ conversation, interrupted, close }: Props) {
  const { t } = useTranslation();
  useFocusBack();
  const phone = usePhone();
  const device = useDevice();
  const { setLarge } = useStage();
  const { studio, state, lend } = useStudio();
  const command = useCommand("broadcast");
  const failure = useStudioFailure(state);
  const [title, setTitle] = useState("");
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  const channel = titleOf(conversation, me, accounts);
  const readers = peopleOf(conversation, accounts).filter((id) => id !== me).length;
  const tooLong = utf8Length(title.trim()) > BROADCAST_TITLE_BYTES_MAX;
  const waits = state.picture === "starting" || state.microphone === "starting";
  const nothing = !waits && state.picture === "off" && state.microphone === "off";
  const ready = (interrupted !== undefined || (title.trim() !== "" && !tooLong)) && !nothing && !waits;
  const go = async () => {
    if (!ready) return;
    setLarge(true);
    const begin = () => (interrupted ? device.resumeBroadcast(interrupted.id, studio) : device.startBroadcast(conversation.id, title.trim(), studio));
    if (await lend(() => command.run(begin))) close();
  };
  return (
    <Modal opened onClose={() => command.busy || close()} fullScreen={phone} size={600} title={t(interrupted ? "broadcast.goOnIn" : "broadcast.goLiveIn", { channel })} closeButtonProps={{ "aria-label": t("app.close"), disabled: command.busy }}>
      <form
        className={look.form}
        onSubmit={(event) => {
          event.preventDefault();
          void go();
        }}
      >
        <Preview state={state} />
        <Sources studio={studio} state={state} />
        <Voice studio={studio} state={state} />
        {!interrupted && (
          <TextInput label={t("broadcast.about")} placeholder={t("broadcast.aboutPlaceholder")} value={title} onChange={({ currentTarget }) => setTitle(currentTarget.value)} error={tooLong ? t("broadcast.aboutTooLong") : undefined} autoComplete="off" required withAsterisk={false} data-autofocus />
        )}
        <Failure text={command.failure ?? (nothing ? t("broadcast.nothing") : failure)} />
        <div className={look.foot}>
          <p>
            <Icon name="lock" size={15} />
            <span>{t("broadcast.told", { count: readers })}</span>
          </p>
          <Button type="submit" size="md" radius="xl" color="live" loading={command.busy} disabled={!ready} leftSection={<Icon name="broadcast" size={20} />}>
            {t(interrupted ? "broadcast.goOn" : "broadcast.goLive")}
          </Button>
        </div>
      </form>
    </Modal>
  );
}

function Preview({ state }: { state: StudioState }) {
  const { t } = useTranslation();
  return (
    <div className={look.preview} data-source={state.picture}>
      {state.own ? (
        <Picture stream={state.own} mirrored={state.mirrored} label={t("broadcast.preview")} />
      ) : (
        <p role="status">
          {state.picture === "starting" ? <Loader size="sm" color="gray" /> : <Icon name="sound" size={44} />}
          {t(state.picture === "starting" ? "broadcast.starting" : "broadcast.soundOnly")}
        </p>
      )}
    </div>
  );
}

function Sources({ studio, state }: { studio: Studio; state: StudioState }) {
  const { t } = useTranslation();
  const [wanted, setWanted] = useState<"camera" | "screen" | "off">("camera");
  const shown = state.picture === "starting" ? wanted : state.picture;
  const choose = (source: typeof wanted) => {
    setWanted(source);
    void studio.show(source === "off" ? null : source);
  };
  const choices: { source: typeof wanted; icon: IconName; label: string }[] = [
    { source: "camera", icon: "video", label: t("broadcast.camera") },
    ...(canShowScreen() ? [{ source: "screen", icon: "screen", label: t("broadcast.screen") } as const] : []),
    { source: "off", icon: "sound", label: t("broadcast.sound") },
  ];
  return (
    <div className={look.sources} role="group" aria-label={t("broadcast.source")}>
      {choices.map(({ source, icon, label }) => (
        <UnstyledButton key={source} className={look.source} aria-pressed={shown === source} onClick={() => choose(source)}>
          <Icon name={icon} size={22} />
          {label}
        </UnstyledButton>
      ))}
    </div>
  );
}

function Voice({ studio, state }: { studio: Studio; state: StudioState }) {
  return (
    <div className={look.devices}>
      <Level studio={studio} on={state.microphone === "on"} />
      <Choice use="microphone" studio={studio} shown={state.microphone === "on"} />
      {state.picture === "camera" && <Choice use="camera" studio={studio} shown />}
    </div>
  );
}

function Choice({ use, studio, shown }: { use: "microphone" | "camera"; studio: Studio; shown: boolean }) {
  const { t } = useTranslation();
  const { list, current, take } = useDevices(use, shown);
  // One camera is no choice; a microphone's name tells whether it is the right one.
  if (list.length < (use === "camera" ? 2 : 1)) return null;
  const data = [{ value: "", label: t("devices.default") }, ...list.map(({ deviceId, label }, at) => ({ value: deviceId, label: label || `${t(`devices.${use}`)} ${at + 1}` }))];
  const change = (value: string) => void take(value === "" ? null : value).then(() => studio.rechoose(use), () => undefined);
  return <NativeSelect aria-label={t(`devices.${use}`)} data={data} value={current ?? ""} onChange={({ currentTarget: { value } }) => change(value)} />;
}

const LEVEL_EVERY_MS = 80;

/** Whether one is heard, before anybody is there to say so. */
function Level({ studio, on }: { studio: Studio; on: boolean }) {
  const { t } = useTranslation();
  const [level, setLevel] = useState(0);
  useEffect(() => {
    const timer = window.setInterval(() => setLevel(studio.level()), LEVEL_EVERY_MS);
    return () => window.clearInterval(timer);
  }, [studio]);
  return (
    <div className={look.voice}>
      <Icon name={on ? "mic" : "micOff"} size={18} />
      <div className={look.level} role="meter" aria-label={t("broadcast.level")} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(level * 10) * 10}>
        <span style={{ transform: `scaleX(${level.toFixed(2)})` }} />
      </div>
    </div>
  );
}
