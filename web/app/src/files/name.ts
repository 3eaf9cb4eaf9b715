// Names of files. A received one was written by a stranger's program: it must neither lead out of the folder of downloads nor look like another kind of file. Pure.
import { FILE_NAME_BYTES_MAX } from "../device/contract";
import { typeOf } from "./kind";

/** Longer extensions are part of the name. */
const EXTENSION_CHARS_MAX = 12;

// Control characters, line separators, invisible ones, and those that turn the direction of writing: `anexe.pdf` can hide `fdp.exena`.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;
/** What some system refuses in a name. */
const REFUSED = /[<>:"|?*]/g;

const utf8 = new TextEncoder();

export function utf8Length(text: string): number {
  return utf8.encode(text).length;
}

/** The name without what could deceive; empty when nothing is left. At most `FILE_NAME_BYTES_MAX`, and the extension stays. */
export function safeName(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? "";
  const plain = last.normalize("NFC").replace(UNSEEN, "").replace(REFUSED, "_").replace(/\s+/g, " ");
  return shortened(plain.replace(/^[. ]+|[. ]+$/g, ""));
}

function shortened(name: string): string {
  if (utf8Length(name) <= FILE_NAME_BYTES_MAX) return name;
  const extension = extensionOf(name);
  const tail = extension === "" ? "" : `.${name.slice(-extension.length)}`;
  const head = [...name.slice(0, name.length - tail.length)];
  let room = FILE_NAME_BYTES_MAX - utf8Length(`…${tail}`);
  const kept = head.findIndex((char) => (room -= utf8Length(char)) < 0);
  return `${head.slice(0, kept < 0 ? head.length : kept).join("")}…${tail}`;
}

/** Lower case, without the dot; empty for none. */
export function extensionOf(name: string): string {
  const at = name.lastIndexOf(".");
  const extension = at > 0 ? name.slice(at + 1) : "";
  return /^[a-z0-9]+$/i.test(extension) && extension.length <= EXTENSION_CHARS_MAX ? extension.toLowerCase() : "";
}

/** Characters of a name on screen: two or three lines of a bubble. */
const SHOWN_CHARS_MAX = 60;
const SHOWN_TAIL_CHARS = 18;

/** For the screen: what is too long loses its middle, never its extension. Empty when nothing is left of it. */
export function shownName(name: string): string {
  const chars = [...safeName(name)];
  if (chars.length <= SHOWN_CHARS_MAX) return chars.join("");
  return `${chars.slice(0, SHOWN_CHARS_MAX - SHOWN_TAIL_CHARS - 1).join("").trimEnd()}…${chars.slice(-SHOWN_TAIL_CHARS).join("").trimStart()}`;
}

/** Extensions by type: the first is given to a name that has none of them. */
const EXTENSIONS: Record<string, readonly string[]> = {
  "image/jpeg": ["jpg", "jpeg", "jpe", "jfif"],
  "image/png": ["png"],
  "image/webp": ["webp"],
  "image/gif": ["gif"],
  "image/avif": ["avif"],
  "video/mp4": ["mp4", "m4v"],
  "video/webm": ["webm"],
  "video/quicktime": ["mov", "qt"],
  "audio/mpeg": ["mp3"],
  "audio/mp4": ["m4a", "mp4"],
  "audio/x-m4a": ["m4a"],
  "audio/aac": ["aac"],
  "audio/ogg": ["ogg", "oga", "opus"],
  "audio/opus": ["opus"],
  "audio/webm": ["weba", "webm"],
  "audio/wav": ["wav"],
  "audio/x-wav": ["wav"],
  "audio/flac": ["flac"],
};

/** The name under which something is saved. What was shown as a picture is not saved as a program. */
export function savedName(name: string, mime: string, unnamed: string): string {
  const safe = safeName(name) || unnamed;
  const fitting = EXTENSIONS[typeOf(mime)];
  if (!fitting || fitting.includes(extensionOf(safe))) return safe;
  return shortened(`${safe}.${fitting[0]}`);
}

/** The name after a change of type: `Befund.png` becomes `Befund.jpg`. */
export function renamed(name: string, mime: string): string {
  const fitting = EXTENSIONS[typeOf(mime)];
  const extension = extensionOf(name);
  if (!fitting || fitting.includes(extension)) return name;
  return shortened(`${extension === "" ? name : name.slice(0, -extension.length - 1)}.${fitting[0]}`);
}
