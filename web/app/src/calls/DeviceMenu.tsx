// Which microphone, camera and loudspeaker, in the middle of a call.
import { ActionIcon, Menu } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import type { MediaDeviceUse } from "../media/devices";
import { ABOVE_STAGE } from "./Controls";
import { useDevices } from "./useDevices";
import look from "./calls.module.css";

export function DeviceMenu({ size }: { size: number }) {
  const { t } = useTranslation();
  const [opened, setOpened] = useState(false);
  return (
    <Menu opened={opened} onChange={setOpened} position="top" width={300} zIndex={ABOVE_STAGE}>
      <Menu.Target>
        <ActionIcon size={size} radius="xl" className={look.plain} aria-label={t("devices.choose")}>
          <Icon name="sliders" size={size * 0.5} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown mah="70vh" style={{ overflow: "auto" }}>
        <Choices use="microphone" shown={opened} />
        <Choices use="camera" shown={opened} />
        <Choices use="loudspeaker" shown={opened} />
      </Menu.Dropdown>
    </Menu>
  );
}

function Choices({ use, shown }: { use: MediaDeviceUse; shown: boolean }) {
  const { t } = useTranslation();
  const { list, current, take } = useDevices(use, shown);
  if (list.length === 0) return null;
  const item = (deviceId: string | null, label: string) => (
    <Menu.Item
      key={deviceId ?? ""}
      role="menuitemradio"
      aria-checked={deviceId === current}
      leftSection={<span className={look.chosen}>{deviceId === current && <Icon name="check" size={16} />}</span>}
      onClick={() => void take(deviceId).catch(() => undefined)} // what cannot be taken is said on the stage
    >
      {label}
    </Menu.Item>
  );
  return (
    <>
      <Menu.Label>{t(`devices.${use}`)}</Menu.Label>
      {item(null, t("devices.default"))}
      {list.map((device, at) => item(device.deviceId, device.label || `${t(`devices.${use}`)} ${at + 1}`))}
    </>
  );
}
