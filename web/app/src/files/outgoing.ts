// The files that somebody has picked and not sent yet. Pure.
import { CAPTION_BYTES_MAX, FILE_BYTES_MAX } from "../device/contract";
import { utf8Length } from "./name";
import type { Parcel, Prepared } from "./prepare";

/** Picked at once. More is asked for in a second go, so that nobody sends a whole folder by mistake. */
export const PICKED_MAX = 30;

export interface Picked {
  key: number;
  file: File;
  /** Null while it is being prepared. */
  prepared: Prepared | null;
  asOriginal: boolean;
  caption: string;
}

export type Fault = "too-large" | "empty" | "caption-too-long";

export function parcelOf({ prepared, asOriginal }: Picked): Parcel | null {
  if (prepared === null) return null;
  return asOriginal && prepared.original ? prepared.original : prepared.parcel;
}

/** Why it cannot be sent; null while that is not known or when it can. */
export function faultOf(picked: Picked): Fault | null {
  if (picked.file.size === 0) return "empty";
  if (utf8Length(picked.caption) > CAPTION_BYTES_MAX) return "caption-too-long";
  const parcel = parcelOf(picked);
  return parcel && parcel.content.size > FILE_BYTES_MAX ? "too-large" : null;
}

export interface Adding {
  files: readonly File[];
  asOriginal: boolean;
  /** For the first one, when nothing is picked yet: what stands in the text field already. */
  caption: string;
  firstKey: number;
}

/** The files added, and how many found no room. */
export function added(all: readonly Picked[], { files, asOriginal, caption, firstKey }: Adding): { all: readonly Picked[]; left: number } {
  const room = Math.max(0, PICKED_MAX - all.length);
  const news = files.slice(0, room).map((file, at): Picked => ({ key: firstKey + at, file, prepared: null, asOriginal, caption: all.length === 0 && at === 0 ? caption : "" }));
  return { all: [...all, ...news], left: files.length - news.length };
}

export function changed(all: readonly Picked[], key: number, change: Partial<Picked>): readonly Picked[] {
  return all.map((one) => (one.key === key ? { ...one, ...change } : one));
}

export function removed(all: readonly Picked[], key: number): readonly Picked[] {
  return all.filter((one) => one.key !== key);
}
