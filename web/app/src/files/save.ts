// Saves a content. Under a type that no browser opens by itself, so that it is stored and not shown.
import { DOCUMENT_TYPE } from "./kind";

/** The browser has begun to read by then; a revoked address would save nothing. */
const REVOKE_AFTER_MS = 60_000;

/** `name` must be safe: name.ts. */
export function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content.slice(0, content.size, DOCUMENT_TYPE));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_AFTER_MS);
}
