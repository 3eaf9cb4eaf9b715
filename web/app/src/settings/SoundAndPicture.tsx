// Which microphone, camera and loudspeaker calls take. What is gone is the default again.
import { Button, NativeSelect } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useDevices } from "../calls/useDevices";
import type { MediaDeviceUse } from "../media/devices";
import { useCommand } from "../session/useCommand";
import { Failure } from "../signin/Failure";
import look from "./settings.module.css";

export function SoundAndPicture() {
  const command = useCommand();
  /** Names may be there now: the lists are looked up again. */
  const [round, setRound] = useState(0);
  const allow = () =>
    void command.run(async () => {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
      for (const track of stream.getTracks()) track.stop();
      setRound((before) => before + 1);
    });
  return (
    <div className={look.form} key={round}>
      <Choice use="microphone" />
      <Choice use="camera" />
      <Choice use="loudspeaker" />
      <Locked allow={allow} busy={command.busy} />
      <Failure text={command.failure} />
    </div>
  );
}

function Choice({ use }: { use: MediaDeviceUse }) {
  const { t } = useTranslation();
  const { list, current, take } = useDevices(use, true);
  const command = useCommand();
  if (list.length === 0) return null;
  const data = [{ value: "", label: t("devices.default") }, ...list.map(({ deviceId, label }, at) => ({ value: deviceId, label: label || `${t(`devices.${use}`)} ${at + 1}` }))];
  return (
    <>
      <NativeSelect label={t(`devices.${use}`)} data={data} value={current ?? ""} onChange={({ currentTarget: { value } }) => void command.run(() => take(value === "" ? null : value))} />
      <Failure text={command.failure} />
    </>
  );
}

/** Before a first call browsers do not name the devices. */
function Locked({ allow, busy }: { allow: () => void; busy: boolean }) {
  const { t } = useTranslation();
  const microphones = useDevices("microphone", true);
  const cameras = useDevices("camera", true);
  if (microphones.list.length > 0 && cameras.list.length > 0) return null;
  return (
    <div className={look.choice}>
      <p className={look.text}>{t("devices.locked")}</p>
      <Button variant="light" loading={busy} onClick={allow}>
        {t("devices.allow")}
      </Button>
    </div>
  );
}
