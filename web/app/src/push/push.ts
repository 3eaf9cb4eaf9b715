// Being woken while the app is closed: the wish is kept in this browser, the subscription with the browser's push service, and the node knows of it.
// The three can come apart (the service gave up, the node was moved, the account was locked), so they are brought together at each sign-in.
import type { Device } from "../device/contract";
import { canBeWoken, nodeKey, present, subscribe, unsubscribe } from "./browser";

/** Not secret: whether the switch is on. */
const KEPT_AS = "wardline-push";

export type PushState =
  | "unsupported" // this browser cannot
  | "node-off" // this node does not
  | "blocked" // the person has forbidden notifications
  | "off"
  | "on";

export function wished(): boolean {
  return localStorage.getItem(KEPT_AS) === "on";
}

export async function pushState(): Promise<PushState> {
  if (!canBeWoken()) return "unsupported";
  if ((await nodeKey()) === null) return "node-off";
  if (Notification.permission === "denied") return "blocked";
  return wished() && Notification.permission === "granted" ? "on" : "off";
}

/** Asks the person, the browser's push service and the node, in this order. Gives where it stands then. */
export async function turnOn(device: Device): Promise<PushState> {
  // First of all, as browsers ask a person only as the answer to a click.
  if ((await Notification.requestPermission()) !== "granted") return pushState();
  await register(device);
  localStorage.setItem(KEPT_AS, "on");
  return pushState();
}

/** Off here in any case; a node that cannot be told now hears it from the push service, when it tries. */
export async function turnOff(device: Device): Promise<PushState> {
  localStorage.removeItem(KEPT_AS);
  await unsubscribe();
  await device.unregisterPush().catch((error: unknown) => console.info("push:", error));
  return pushState();
}

/** For a browser that is signed out: the node forgets it with the device. */
export async function endPush(): Promise<void> {
  localStorage.removeItem(KEPT_AS);
  await unsubscribe();
}

/** Brings browser and node together again. */
export async function renew(device: Device): Promise<void> {
  if (wished() && canBeWoken() && Notification.permission === "granted") await register(device);
}

async function register(device: Device): Promise<void> {
  const key = await nodeKey();
  if (key === null) return;
  await device.registerPush((await present(key)) ?? (await subscribe(key)));
}
