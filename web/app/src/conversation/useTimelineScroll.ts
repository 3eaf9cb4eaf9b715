// The scrolling of the timeline. It hangs on its lower end: older pages come in above without moving what is read, and who is at the end stays there.
import { useVirtualizer, type Virtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";
import { frameOf } from "../files/frame";
import { kindOf } from "../files/kind";
import type { Row } from "./rows";
import { type Spoken, wordsOf } from "./spoken";

/** As near to the end as this counts as being there. */
const END_PX = 60;
/** Older messages are asked for this far before the beginning is reached: about three screens. */
const OLDER_PX = 2400;

/** What was guessed of a text before: with a long history the virtualiser asks for thousands of rows again whenever one of them is measured. */
const guessed = new WeakMap<Spoken, number>();

/** A first guess, so that the scroll bar is about right; each row is measured once it is drawn. */
function guess(row: Row | undefined): number {
  if (!row) return 40;
  if (row.kind === "start") return 84;
  if (row.kind !== "message") return 44;
  let body = guessed.get(row.body);
  if (body === undefined) guessed.set(row.body, (body = guessBody(row.body)));
  return 16 + body + (row.opens ? 6 : 0);
}

function guessBody(body: Spoken): number {
  const words = guessText(wordsOf(body));
  if (body.kind === "text") return words;
  if (body.kind === "location") return 96 + words;
  const { mime, width, height } = body.file;
  const kind = kindOf(mime);
  return (kind === "picture" || kind === "video" ? frameOf(width, height).height : 56) + words;
}

function guessText(text: string): number {
  if (text === "") return 0;
  const lines = text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / 62)), 0);
  return lines * 21;
}

export interface TimelineScroll {
  box: RefObject<HTMLDivElement | null>;
  virtualizer: Virtualizer<HTMLDivElement, HTMLElement>;
  containerRef: (node: HTMLElement | null) => void;
  atEnd: boolean;
  toEnd(smooth: boolean): void;
}

interface Asked {
  rows: readonly Row[];
  /** The row to begin at, instead of the end; read once. */
  startKey: string | null;
  more: boolean;
  older: () => void;
}

export function useTimelineScroll({ rows, startKey, more, older }: Asked): TimelineScroll {
  const box = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  // The virtualiser takes another function for other rows, and then counts all of them from the beginning.
  const getItemKey = useCallback((index: number) => rows[index]?.key ?? index, [rows]);
  const virtualizer = useVirtualizer<HTMLDivElement, HTMLElement>({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: (index) => guess(rows[index]),
    getItemKey,
    anchorTo: "end",
    followOnAppend: true,
    scrollEndThreshold: END_PX,
    overscan: 12,
    paddingEnd: 8,
    directDomUpdates: true,
  });

  const placed = useRef(false);
  useLayoutEffect(() => {
    if (placed.current || rows.length === 0) return;
    placed.current = true;
    const start = startKey === null ? -1 : rows.findIndex((row) => row.key === startKey);
    if (start >= 0) virtualizer.scrollToIndex(start, { align: "start" });
    else virtualizer.scrollToEnd();
  }, [rows, startKey, virtualizer]);

  const look = useCallback(() => {
    const element = box.current;
    if (!element) return;
    setAtEnd(element.scrollHeight - element.clientHeight - element.scrollTop <= END_PX);
    if (more && placed.current && element.scrollTop < OLDER_PX) older();
  }, [more, older]);
  useEffect(() => {
    const element = box.current;
    // In the next frame, when the rows that came have been measured: else a quick device would be asked for page after page.
    const frame = requestAnimationFrame(look);
    element?.addEventListener("scroll", look, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      element?.removeEventListener("scroll", look);
    };
    // Rows decide how far the beginning is.
  }, [look, rows]);

  const toEnd = useCallback((smooth: boolean) => virtualizer.scrollToEnd({ behavior: smooth ? "smooth" : "auto" }), [virtualizer]);
  return { box, virtualizer, containerRef: virtualizer.containerRef, atEnd, toEnd };
}
