// The small picture that comes with the message itself.
import { useMemo } from "react";
import { THUMBNAIL_BYTES_MAX, type FileAbout } from "../device/contract";
import { useObjectUrl } from "./useObjectUrl";

/** By its first bytes: what the sender calls it does not matter. */
function thumbnailType(bytes: Uint8Array): string | null {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return "image/jpeg";
  const ascii = (from: number) => String.fromCharCode(...bytes.subarray(from, from + 4));
  return ascii(0) === "RIFF" && ascii(8) === "WEBP" ? "image/webp" : null;
}

export function useThumbnail(thumbnail: FileAbout["thumbnail"]): string | null {
  const content = useMemo(() => {
    if (thumbnail === null || thumbnail.length > THUMBNAIL_BYTES_MAX) return null;
    const type = thumbnailType(thumbnail);
    return type === null ? null : new Blob([thumbnail], { type });
  }, [thumbnail]);
  return useObjectUrl(content);
}
