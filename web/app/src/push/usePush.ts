// Keeps the wish to be woken true while the page is open: after each sign-in at the node, and when the browser changed its subscription.
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { useDevice, useView } from "../session/Session";
import { tellWorker } from "./browser";
import { renew } from "./push";

/** It works without; the settings say how it stands. */
const missed = (error: unknown) => console.info("push:", error);

export function usePush(): void {
  const { i18n } = useTranslation();
  const device = useDevice();
  const level = useView((view) => view.connection.level);

  useEffect(() => {
    if (level) renew(device).catch(missed);
  }, [level, device]);

  useEffect(() => {
    const worker = navigator.serviceWorker;
    if (!worker) return;
    const heard = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === "object" && data !== null && "pushChanged" in data) renew(device).catch(missed);
    };
    worker.addEventListener("message", heard);
    return () => worker.removeEventListener("message", heard);
  }, [device]);

  useEffect(() => {
    const seen = () => {
      if (document.visibilityState === "visible") tellWorker(i18n.language).catch(missed);
    };
    seen();
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [i18n.language]);
}
