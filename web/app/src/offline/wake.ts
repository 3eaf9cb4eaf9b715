// A push from the node: something came while the page was closed. It says whether it rings and nothing else, so nothing else can be shown.
/// <reference lib="webworker" />
export {};
declare const self: ServiceWorkerGlobalScope;

type Language = "de" | "en";

const WORDS = {
  de: { message: "Neue Nachricht", call: "Eingehender Anruf" },
  en: { message: "New message", call: "Incoming call" },
};

/** One announcement at a time: what came later takes the place of what came before. */
const TAG = "wardline-woken";

/** A cache beside those of the page's versions, for what a service worker must remember: it has no other simple place. */
const KEPT_IN = "settings";
const KEPT_AS = "/language";

async function language(): Promise<Language> {
  const kept = await (await caches.open(KEPT_IN)).match(KEPT_AS);
  const tag = (await kept?.text()) ?? self.navigator.language;
  return tag.startsWith("de") ? "de" : "en";
}

async function somebodyLooks(): Promise<boolean> {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return windows.some((window) => window.visibilityState === "visible");
}

async function announce(word: string): Promise<void> {
  // The page announces by itself what it shows.
  if (await somebodyLooks()) return;
  const chosen = await language();
  const call = word === "call";
  const options = { tag: TAG, renotify: true, requireInteraction: call, icon: "/icon-192.png", lang: chosen };
  await self.registration.showNotification(WORDS[chosen][call ? "call" : "message"], options);
}

async function tellPages(message: unknown): Promise<void> {
  for (const window of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) window.postMessage(message);
}

async function close(): Promise<void> {
  for (const shown of await self.registration.getNotifications({ tag: TAG })) shown.close();
}

self.addEventListener("push", (event) => event.waitUntil(announce(event.data?.text().trim() ?? "")));

// The browser has another subscription now, or none. A page that is open tells the node; else the next one that is opened does.
self.addEventListener("pushsubscriptionchange", (event) => (event as ExtendableEvent).waitUntil(tellPages({ pushChanged: true })));

// From the page: its language, and that somebody is looking at it now.
self.addEventListener("message", (event) => {
  const data: unknown = event.data;
  if (typeof data !== "object" || data === null || !("language" in data) || typeof data.language !== "string") return;
  const kept = new Response(data.language);
  event.waitUntil(Promise.all([close(), caches.open(KEPT_IN).then((cache) => cache.put(KEPT_AS, kept))]));
});
