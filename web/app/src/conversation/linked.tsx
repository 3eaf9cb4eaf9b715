// Text with its links. No previews: fetching one would tell a stranger's server who is talking here.
import type { ReactNode } from "react";

const LINK = /https?:\/\/[^\s<>"“”„]+/gi;
/** Belongs to the sentence rather than to the address. */
const TRAILING = /[.,;:!?)\]}'»]+$/;

export function linked(text: string): ReactNode[] {
  const parts: ReactNode[] = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const address = match[0].replace(TRAILING, "");
    parts.push(text.slice(from, match.index));
    parts.push(
      <a key={match.index} href={address} target="_blank" rel="noopener noreferrer nofollow">
        {address}
      </a>,
    );
    from = match.index + address.length;
  }
  parts.push(text.slice(from));
  return parts;
}

/** A few emoji and nothing else are shown large. */
export function onlyEmoji(text: string): boolean {
  const bare = text.trim();
  return bare.length > 0 && bare.length <= 24 && /^(?:\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier})*\s*){1,3}$/u.test(bare);
}
