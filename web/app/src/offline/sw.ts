// The service worker: the page opens without a network. It keeps the page and its own hashed files and nothing else: no message, no key,
// nothing of another origin passes through it; and it announces what it is woken for (wake.ts). Absent on purpose: background sync.
/// <reference lib="webworker" />
import "./wake";
declare const self: ServiceWorkerGlobalScope;

// Replaced by the build (build/offline.ts).
const { version, files } = JSON.parse("__WARDLINE_ASSETS__") as { version: string; files: string[] };
const CACHE = `wardline-${version}`;
const PAGE = "/";
const OWN = new Set(files);
/** A network that is there but does not answer must not hold the page back longer. */
const PAGE_WAIT_MS = 3000;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([PAGE, ...files])));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name.startsWith("wardline-") && name !== CACHE) await caches.delete(name);
      await self.clients.claim();
    })(),
  );
});

async function page(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const fresh = await fetch(request, { signal: AbortSignal.timeout(PAGE_WAIT_MS) });
    if (fresh.ok) return fresh;
  } catch {
    // No network, or one that does not answer: the kept page is what this worker is for.
  }
  return (await cache.match(PAGE)) ?? Response.error();
}

async function own(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(request)) ?? fetch(request);
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (OWN.has(url.pathname)) event.respondWith(own(request));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const conversation: unknown = event.notification.data;
  event.waitUntil(
    (async () => {
      const [open] = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
      if (!open) return void (await self.clients.openWindow(PAGE));
      await open.focus();
      open.postMessage({ show: conversation });
    })(),
  );
});
