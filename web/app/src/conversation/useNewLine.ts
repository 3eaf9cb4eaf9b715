// Where the line "new messages" stands: above what had not been read when the person came or looked away. It stays while the conversation is looked at.
import { useEffect, useRef, useState } from "react";
import type { Conversation } from "../device/contract";

export interface NewLine {
  /** The line stands above the first message of others after this place; null for none. */
  afterSeq: number | null;
  /** How many were unread when it was drawn. More may stand below it: what came since is as new. */
  count: number;
  clear(): void;
}

export function useNewLine(conversation: Conversation, reading: boolean): NewLine {
  const { unread, readSeq } = conversation;
  const [line, setLine] = useState(() => (unread > 0 ? { afterSeq: readSeq, count: unread } : null));
  const before = useRef(unread);
  useEffect(() => {
    // Messages came while nobody was looking: the line moves to the first of them. While one reads it must not jump about.
    if (before.current === 0 && unread > 0 && !reading) setLine({ afterSeq: readSeq, count: unread });
    else if (unread > 0 && !reading) setLine((old) => old && { ...old, count: Math.max(old.count, unread) });
    before.current = unread;
  }, [unread, readSeq, reading]);
  return { afterSeq: line?.afterSeq ?? null, count: line?.count ?? 0, clear: () => setLine(null) };
}
