// What can be done in a call: the same row in the bar and on the stage.
import { ActionIcon, Tooltip } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Call } from "../device/contract";
import { Icon, type IconName } from "../look/Icon";
import type { LiveMedia } from "../media/live";
import { useDevice } from "../session/Session";
import type { Command } from "../session/useCommand";
import { DeviceMenu } from "./DeviceMenu";
import look from "./calls.module.css";

/** Above the stage, which is above everything but a call that rings. */
export const ABOVE_STAGE = 460;

interface Props {
  call: Call;
  live: LiveMedia;
  command: Command;
  /** Of its own: hanging up does not wait for a camera that is being asked for. */
  ending: Command;
  size: number;
}

export function Controls({ call, live, command, ending, size }: Props) {
  const { t } = useTranslation();
  const device = useDevice();
  const { muted, camera } = live;
  const talks = call.state !== "starting" && call.state !== "ringing";
  const cameraOn = camera !== "off";
  return (
    <div className={look.controls}>
      {talks && (
        <Control label={muted ? t("call.unmute") : t("call.mute")} icon={muted ? "micOff" : "mic"} size={size} pressed={muted} press={() => void device.setMuted(!muted)} />
      )}
      <Control
        label={cameraOn ? t("call.cameraOff") : t("call.cameraOn")}
        icon={cameraOn ? "video" : "videoOff"}
        size={size}
        pressed={!cameraOn}
        loading={camera === "starting"}
        press={() => void command.run(() => device.setCamera(!cameraOn))}
      />
      {camera === "on" && hasTwoSides() && <Control label={t("call.turnCamera")} icon="turn" size={size} press={() => void command.run(() => device.turnCamera())} />}
      <DeviceMenu size={size} />
      <Tooltip label={t("call.hangUp")} zIndex={ABOVE_STAGE}>
        <ActionIcon variant="filled" size={size} radius="xl" color="red" className={look.hangUp} aria-label={t("call.hangUp")} onClick={() => void ending.run(() => device.hangUp())}>
          <Icon name="phoneDown" size={size * 0.5} />
        </ActionIcon>
      </Tooltip>
    </div>
  );
}

export interface ControlProps {
  label: string;
  icon: IconName;
  size: number;
  /** Something is off that usually is on. */
  pressed?: boolean;
  loading?: boolean;
  press: () => void;
}

export function Control({ label, icon, size, pressed, loading, press }: ControlProps) {
  return (
    <Tooltip label={label} zIndex={ABOVE_STAGE}>
      <ActionIcon size={size} radius="xl" className={look.plain} data-on={pressed || undefined} aria-label={label} loading={loading ?? false} onClick={press}>
        <Icon name={icon} size={size * 0.5} />
      </ActionIcon>
    </Tooltip>
  );
}

/** A phone or tablet: cameras in front and at the back. */
export function hasTwoSides(): boolean {
  return window.matchMedia("(pointer: coarse)").matches;
}
