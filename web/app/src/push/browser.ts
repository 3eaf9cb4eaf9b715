// The browser's side of being woken: its push service, asked through the service worker. What the node must know of it is a `PushPlace`.
import { DeviceError, type PushPlace } from "../device/contract";

/** A page that waits longer for its service worker has none. */
const WORKER_WAIT_MS = 5_000;

/** Without the internet some browsers wait for their push service for ever. */
const SUBSCRIBE_WAIT_MS = 20_000;

/** Whether this browser can be woken at all. On an iPhone only as an app on the home screen. */
export function canBeWoken(): boolean {
  return "serviceWorker" in navigator && "PushManager" in window && typeof Notification !== "undefined";
}

/** The node's key for pushes; null: it sends none. */
export async function nodeKey(): Promise<Uint8Array<ArrayBuffer> | null> {
  const answer = await fetch("/connect.json", { cache: "no-store" });
  if (!answer.ok) throw new Error(`the node answers with ${answer.status}`);
  const { push_key: key } = (await answer.json()) as { push_key?: string };
  return key === undefined ? null : fromBase64Url(key);
}

/** The present subscription under this key; one that was made for another key is of no use, and is ended. */
export async function present(key: Uint8Array<ArrayBuffer>): Promise<PushPlace | null> {
  const registration = await worker();
  const subscription = await registration.pushManager.getSubscription();
  if (subscription === null) return null;
  if (sameBytes(subscription.options.applicationServerKey, key)) return place(subscription);
  await subscription.unsubscribe();
  return null;
}

/** Makes a subscription. Fails with `push-service` where the browser's push service cannot be reached or does not want to. */
export async function subscribe(key: Uint8Array<ArrayBuffer>): Promise<PushPlace> {
  const registration = await worker();
  const made = registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  try {
    return place(await within(SUBSCRIBE_WAIT_MS, made));
  } catch (error) {
    console.info("push:", error);
    throw new DeviceError("push-service", "the browser's push service cannot be reached");
  }
}

export async function unsubscribe(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  const subscription = await registration?.pushManager?.getSubscription();
  await subscription?.unsubscribe();
}

/** Tells the service worker which language to announce in, and that somebody is looking now. */
export async function tellWorker(language: string): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  registration?.active?.postMessage({ language });
}

async function worker(): Promise<ServiceWorkerRegistration> {
  return within(WORKER_WAIT_MS, navigator.serviceWorker.ready);
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${ms / 1000} s`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function place(subscription: PushSubscription): PushPlace {
  const key = (name: PushEncryptionKeyName) => new Uint8Array(subscription.getKey(name) ?? new ArrayBuffer(0));
  return { endpoint: subscription.endpoint, p256dh: key("p256dh"), auth: key("auth") };
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function sameBytes(one: ArrayBuffer | null, other: Uint8Array): boolean {
  const bytes = new Uint8Array(one ?? new ArrayBuffer(0));
  return bytes.length === other.length && bytes.every((byte, at) => byte === other[at]);
}
