// Keeps the screen on while pictures are on it: a phone on a table would go dark in mid-sentence.
import { useEffect } from "react";

export function useWakeLock(): void {
  useEffect(() => {
    let over = false;
    let held: WakeLockSentinel | null = null;
    // Refused on an empty battery, for instance; the call goes on without it. Browsers let go of it when the page is hidden.
    const hold = async () => {
      if (document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
      const lock = await navigator.wakeLock.request("screen").catch(() => null);
      if (over) void lock?.release();
      else held = lock;
    };
    void hold();
    document.addEventListener("visibilitychange", hold);
    return () => {
      over = true;
      document.removeEventListener("visibilitychange", hold);
      void held?.release();
    };
  }, []);
}
