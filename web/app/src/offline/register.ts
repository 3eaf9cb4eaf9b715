// Registers the service worker where there is one. Without it everything works but opening the page offline.
import { ownScript } from "../trusted";

export function registerOffline(): void {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  window.addEventListener("load", () => {
    navigator.serviceWorker.register(ownScript("/sw.js"), { scope: "/", updateViaCache: "none" }).catch((error: unknown) => {
      // Private windows and some policies refuse it; the page is then simply not there without a network.
      console.info("no offline start:", error);
    });
  });
}
