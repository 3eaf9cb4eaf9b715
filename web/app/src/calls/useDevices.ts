// The devices there are for one use, kept up to date while a screen shows them.
import { useCallback, useEffect, useState } from "react";
import { type MediaDeviceUse, available, choose, chosen } from "../media/devices";
import { useDevice } from "../session/Session";

export interface Devices {
  list: MediaDeviceInfo[];
  /** The chosen one while it is there; null: the default. */
  current: string | null;
  take(deviceId: string | null): Promise<void>;
}

export function useDevices(use: MediaDeviceUse, shown: boolean): Devices {
  const device = useDevice();
  const [list, setList] = useState<MediaDeviceInfo[]>([]);
  const [wanted, setWanted] = useState(() => chosen(use));
  useEffect(() => {
    if (!shown) return;
    let over = false;
    const look = () => void available(use).then((found) => !over && setList(found));
    look();
    const media: MediaDevices | undefined = navigator.mediaDevices;
    media?.addEventListener?.("devicechange", look);
    return () => {
      over = true;
      media?.removeEventListener?.("devicechange", look);
    };
  }, [use, shown]);
  const take = useCallback(
    (deviceId: string | null) => {
      choose(use, deviceId);
      setWanted(deviceId);
      return device.rechooseDevice(use);
    },
    [use, device],
  );
  return { list, current: list.some(({ deviceId }) => deviceId === wanted) ? wanted : null, take };
}
