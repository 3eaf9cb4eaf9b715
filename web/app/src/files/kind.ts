// How a file is shown. What its sender says of it only chooses among types that the browser shows without running anything: everything else is a document. Pure.

export type Kind = "picture" | "video" | "sound" | "document";

/** The only types that a blob URL ever gets. Absent on purpose: SVG, HTML, PDF and whatever else can hold scripts or links. */
const SHOWN: Record<string, Kind> = {
  "image/jpeg": "picture",
  "image/png": "picture",
  "image/webp": "picture",
  "image/gif": "picture",
  "image/avif": "picture",
  "video/mp4": "video",
  "video/webm": "video",
  "video/quicktime": "video",
  "audio/mpeg": "sound",
  "audio/mp4": "sound",
  "audio/x-m4a": "sound",
  "audio/aac": "sound",
  "audio/ogg": "sound",
  "audio/opus": "sound",
  "audio/webm": "sound",
  "audio/wav": "sound",
  "audio/x-wav": "sound",
  "audio/flac": "sound",
};

/** How a file is called that has no better name. */
export const DOCUMENT_TYPE = "application/octet-stream";

/** `Video/WebM; codecs=vp9` is `video/webm`; what is no media type is a document. */
export function typeOf(mime: string): string {
  const bare = mime.split(";")[0]?.trim().toLowerCase() ?? "";
  return /^[a-z0-9!#$&^_.+-]{1,63}\/[a-z0-9!#$&^_.+-]{1,63}$/.test(bare) ? bare : DOCUMENT_TYPE;
}

export function kindOf(mime: string): Kind {
  const type = typeOf(mime);
  return Object.hasOwn(SHOWN, type) ? (SHOWN[type] ?? "document") : "document";
}

/** The type under which a content may be shown, or null: then it can only be saved. */
export function shownType(mime: string): string | null {
  return kindOf(mime) === "document" ? null : typeOf(mime);
}
