// Which microphone, camera and loudspeaker, in the middle of a call.
import { ActionIcon, Menu } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { MEDIA_DEVICE_USES, type MediaDeviceUse } from "../media/devices";
import { ABOVE_STAGE } from "./Controls";
import { type Devices, useDevices } from "./useDevices";
import look from "./calls.module.css";

export function DeviceMenu({ size }: { size: number }) {
  const { t } = useTranslation();
  const [opened, setOpened] = useState(false);
  const uses = { microphone: useDevices("microphone", opened), camera: useDevices("camera", opened), loudspeaker: useDevices("loudspeaker", opened) };
  const none = Object.values(uses).every(({ list }) => list.length === 0);
  return (
    // Neither the bar nor the stage scrolls: its button is never out of sight.
    <Menu opened={opened} onChange={setOpened} position="top" width={300} zIndex={ABOVE_STAGE} hideDetached={false}>
      <Menu.Target>
        <ActionIcon size={size} radius="xl" className={look.plain} aria-label={t("devices.choose")}>
          <Icon name="sliders" size={size * 0.5} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown mah="70vh" style={{ overflow: "auto" }}>
        {MEDIA_DEVICE_USES.map((use) => (
          <Choices key={use} use={use} devices={uses[use]} />
        ))}
        {none && (
          <Menu.Item disabled className={look.nothing}>
            {t("devices.none")}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

/** Stands for the default: a device's id is a long hash. */
const DEFAULT = "default";

function Choices({ use, devices: { list, current, take } }: { use: MediaDeviceUse; devices: Devices }) {
  const { t } = useTranslation();
  if (list.length === 0) return null;
  // What cannot be taken is said on the stage.
  const change = (value: string) => void take(value === DEFAULT ? null : value).catch(() => undefined);
  return (
    <>
      <Menu.Label>{t(`devices.${use}`)}</Menu.Label>
      <Menu.RadioGroup aria-label={t(`devices.${use}`)} value={current ?? DEFAULT} onChange={change}>
        <Item value={DEFAULT}>{t("devices.default")}</Item>
        {list.map(({ deviceId, label }, at) => (
          <Item key={deviceId} value={deviceId}>
            {label || `${t(`devices.${use}`)} ${at + 1}`}
          </Item>
        ))}
      </Menu.RadioGroup>
    </>
  );
}

function Item({ value, children }: { value: string; children: ReactNode }) {
  return (
    <Menu.RadioItem value={value} checkIcon={<Icon name="check" size={16} />}>
      {children}
    </Menu.RadioItem>
  );
}
