// The reports of a broadcast, one a second, while somebody looks at them.
import { useEffect, useState } from "react";
import type { BroadcastId } from "../device/contract";
import { useDevice } from "../session/Session";
import { type Look, withLook } from "./report";

const EVERY_MS = 1_000;

/** `stale`: the latest question had no answer. */
export function useLooks(broadcast: BroadcastId): { looks: Look[]; stale: boolean } {
  const device = useDevice();
  const [looks, setLooks] = useState<Look[]>([]);
  const [stale, setStale] = useState(false);
  useEffect(() => {
    let timer = 0;
    let over = false;
    const look = async () => {
      try {
        const report = await device.broadcastReport(broadcast);
        if (over) return;
        setLooks((before) => withLook(before, { atMs: Date.now(), report }));
        setStale(false);
      } catch {
        // There are none yet, or the line is gone: shown as such, and asked again.
        setStale(true);
      }
      if (!over) timer = window.setTimeout(() => void look(), EVERY_MS);
    };
    void look();
    return () => {
      over = true;
      window.clearTimeout(timer);
    };
  }, [device, broadcast]);
  return { looks, stale };
}
