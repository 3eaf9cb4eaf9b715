// Makes a picked file ready for sending: pictures smaller and without what the camera wrote into them, a small picture of it for the others to see at once.
// What decodes and encodes is an argument (codec.ts has the browser's).
import { type FileAbout, THUMBNAIL_BYTES_MAX } from "../device/contract";
import { fitted } from "./frame";
import { DOCUMENT_TYPE, kindOf, type Kind, typeOf } from "./kind";
import { renamed, safeName } from "./name";

/** Enough to read a wound or a chart on a large screen. */
export const PICTURE_SIDE_MAX_PX = 2560;
const QUALITY = 0.85;
/** A PNG up to this size stays one: screenshots and charts keep their sharp letters. */
export const PNG_BYTES_MAX = 1_000_000;

/** Tried in this order until one fits into `THUMBNAIL_BYTES_MAX`. */
const THUMBNAILS: readonly { side: number; quality: number }[] = [
  { side: 400, quality: 0.72 },
  { side: 400, quality: 0.55 },
  { side: 320, quality: 0.5 },
  { side: 240, quality: 0.5 },
  { side: 160, quality: 0.45 },
  { side: 96, quality: 0.4 },
];

/** Something decoded, the right way up. */
export interface Drawable {
  width: number;
  height: number;
  seeThrough: boolean;
  /** Null where the browser cannot write this type. */
  encode(width: number, height: number, mime: string, quality: number): Promise<Blob | null>;
  close(): void;
}

/** Zeros where there is no picture. */
export interface Film {
  durationMs: number;
  width: number;
  height: number;
  /** One of its pictures; null for sound, or where none could be taken. */
  frame: Drawable | null;
}

/** Both reject what they cannot decode. */
export interface Codec {
  picture(content: Blob): Promise<Drawable>;
  film(content: Blob, kind: "video" | "sound"): Promise<Film>;
}

export interface Parcel {
  content: Blob;
  about: FileAbout;
}

export interface Prepared {
  kind: Kind;
  /** What is sent unless somebody asks for the original. */
  parcel: Parcel;
  /** The file as it was; null where `parcel` is that already. */
  original: Parcel | null;
  /** `parcel` may hold where and with what it was taken. */
  tells: boolean;
}

export async function prepare(file: File, codec: Codec): Promise<Prepared> {
  const about = plainAbout(file);
  const kind = kindOf(about.mime);
  try {
    if (kind === "picture") return await picture(file, about, codec);
    if (kind === "video" || kind === "sound") return await film(file, about, kind, codec);
  } catch {
    // This browser cannot decode it, so it is not shown as what it says it is. Whoever receives it can save it.
    return { kind: "document", parcel: { content: file, about: { ...about, mime: DOCUMENT_TYPE } }, original: null, tells: true };
  }
  return { kind, parcel: { content: file, about }, original: null, tells: /^(?:image|video)\//.test(about.mime) };
}

function plainAbout(file: File): FileAbout {
  return { name: safeName(file.name), mime: typeOf(file.type), bytes: file.size, width: 0, height: 0, durationMs: 0, thumbnail: null, caption: "" };
}

async function picture(file: File, about: FileAbout, codec: Codec): Promise<Prepared> {
  const drawn = await codec.picture(file);
  try {
    const original: Parcel = { content: file, about: { ...about, width: drawn.width, height: drawn.height, thumbnail: await thumbnailOf(drawn) } };
    // A GIF moves; a canvas would stop it. It has no place for where it was taken.
    if (about.mime === "image/gif") return { kind: "picture", parcel: original, original: null, tells: false };
    const smaller = await smallerOf(drawn, about.mime);
    if (smaller === null) return { kind: "picture", parcel: original, original: null, tells: true };
    const mime = typeOf(smaller.content.type);
    const parcel: Parcel = { content: smaller.content, about: { ...original.about, name: renamed(about.name, mime), mime, bytes: smaller.content.size, width: smaller.width, height: smaller.height } };
    return { kind: "picture", parcel, original, tells: false };
  } finally {
    drawn.close();
  }
}

async function smallerOf(drawn: Drawable, mime: string): Promise<{ content: Blob; width: number; height: number } | null> {
  const { width, height } = fitted(drawn.width, drawn.height, PICTURE_SIDE_MAX_PX);
  const as = async (type: string) => {
    const content = await drawn.encode(width, height, type, QUALITY);
    return content && { content, width, height };
  };
  const sharp = mime === "image/png" ? await as("image/png") : null;
  if (sharp && sharp.content.size <= PNG_BYTES_MAX) return sharp;
  const clear = drawn.seeThrough ? ((await as("image/webp")) ?? sharp) : null;
  return clear ?? as("image/jpeg");
}

async function film(file: File, about: FileAbout, kind: "video" | "sound", codec: Codec): Promise<Prepared> {
  const { durationMs, width, height, frame } = await codec.film(file, kind);
  try {
    const thumbnail = frame && (await thumbnailOf(frame));
    return { kind, parcel: { content: file, about: { ...about, durationMs, width, height, thumbnail } }, original: null, tells: kind === "video" };
  } finally {
    frame?.close();
  }
}

/** Null when even the smallest is too large, which no real picture is. */
export async function thumbnailOf(drawn: Drawable): Promise<Uint8Array<ArrayBuffer> | null> {
  for (const { side, quality } of THUMBNAILS) {
    const { width, height } = fitted(drawn.width, drawn.height, side);
    const small = (await drawn.encode(width, height, "image/webp", quality)) ?? (await drawn.encode(width, height, "image/jpeg", quality));
    if (small && small.size <= THUMBNAIL_BYTES_MAX) return new Uint8Array(await small.arrayBuffer());
  }
  return null;
}
