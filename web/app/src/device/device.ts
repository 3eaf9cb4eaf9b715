// The place of the tab's side of the device. The real one, with its worker, replaces this file.
import type { Device } from "./contract";

export function openDevice(): Device {
  throw new Error("the device is not built in");
}
