// Wheel, double click, two fingers and dragging on a picture; a swipe where it is not enlarged.
import { useEffect, useLayoutEffect, useRef, useState, type PointerEvent, type RefObject } from "react";
import { FIT, moved, type Point, type Size, toggled, zoomed, type Zoom } from "./zoom";

/** One step of the buttons and keys. */
const STEP = 1.5;
/** Shorter ones are a trembling finger. */
const SWIPE_MIN_PX = 60;
const DRAG_STEP_PX = 80;

export interface Zooming {
  stage: RefObject<HTMLDivElement | null>;
  picture: RefObject<HTMLImageElement | null>;
  zoom: Zoom;
  nearer(): void;
  farther(): void;
  /** By arrow keys, in steps. */
  drag(x: -1 | 0 | 1, y: -1 | 0 | 1): void;
  handlers: {
    onPointerDown(event: PointerEvent): void;
    onPointerMove(event: PointerEvent): void;
    onPointerUp(event: PointerEvent): void;
    onPointerCancel(event: PointerEvent): void;
    onDoubleClick(event: { clientX: number; clientY: number }): void;
  };
}

/** Each picture begins at its whole. */
export function useZoom(shown: string, swipe: (step: 1 | -1) => void): Zooming {
  const stage = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLImageElement>(null);
  const [zoom, setZoom] = useState(FIT);
  const fingers = useRef(new Map<number, Point>());
  const began = useRef<Point | null>(null);

  useLayoutEffect(() => setZoom(FIT), [shown]);

  const sizes = (): [Size, Size] => [boxOf(stage.current), boxOf(picture.current)];
  const change = (next: (zoom: Zoom, stage: Size, picture: Size) => Zoom) => setZoom((now) => next(now, ...sizes()));
  const middle: Point = { x: 0, y: 0 };

  useEffect(() => {
    const element = stage.current;
    if (!element) return;
    const turn = (event: WheelEvent) => {
      // Else the browser zooms the page with Ctrl.
      event.preventDefault();
      const at = fromMiddle(element, event);
      setZoom((now) => zoomed(now, Math.exp(-event.deltaY / 400), at, boxOf(element), boxOf(picture.current)));
    };
    element.addEventListener("wheel", turn, { passive: false });
    return () => element.removeEventListener("wheel", turn);
  }, []);

  const move = (event: PointerEvent) => {
    const before = fingers.current.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...fingers.current].find(([finger]) => finger !== event.pointerId)?.[1];
    fingers.current.set(event.pointerId, now);
    if (!other) return change((zoom, ...rest) => moved(zoom, { x: now.x - before.x, y: now.y - before.y }, ...rest));
    const factor = distance(now, other) / Math.max(1, distance(before, other));
    const at = fromMiddle(stage.current, { clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 });
    change((zoom, ...rest) => zoomed(zoom, factor, at, ...rest));
  };
  const end = (event: PointerEvent) => {
    fingers.current.delete(event.pointerId);
    const from = began.current;
    began.current = null;
    if (from === null || zoom.scale > 1) return;
    const [x, y] = [event.clientX - from.x, event.clientY - from.y];
    if (Math.abs(x) > SWIPE_MIN_PX && Math.abs(x) > 1.5 * Math.abs(y)) swipe(x < 0 ? 1 : -1);
  };

  return {
    stage,
    picture,
    zoom,
    nearer: () => change((now, ...rest) => zoomed(now, STEP, middle, ...rest)),
    farther: () => change((now, ...rest) => zoomed(now, 1 / STEP, middle, ...rest)),
    drag: (x, y) => change((now, ...rest) => moved(now, { x: -x * DRAG_STEP_PX, y: -y * DRAG_STEP_PX }, ...rest)),
    handlers: {
      onPointerDown: (event) => {
        fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
        // A second finger makes a pinch of it.
        began.current = fingers.current.size === 1 ? { x: event.clientX, y: event.clientY } : null;
        event.currentTarget.setPointerCapture?.(event.pointerId);
      },
      onPointerMove: move,
      onPointerUp: end,
      onPointerCancel: (event) => {
        began.current = null;
        fingers.current.delete(event.pointerId);
      },
      onDoubleClick: (event) => {
        const at = fromMiddle(stage.current, event);
        change((now, ...rest) => toggled(now, at, ...rest));
      },
    },
  };
}

/** Its size as laid out: transforms do not count. */
function boxOf(element: HTMLElement | null): Size {
  return { width: element?.offsetWidth ?? 0, height: element?.offsetHeight ?? 0 };
}

function fromMiddle(element: HTMLElement | null, { clientX, clientY }: { clientX: number; clientY: number }): Point {
  if (!element) return { x: 0, y: 0 };
  const box = element.getBoundingClientRect();
  return { x: clientX - box.left - box.width / 2, y: clientY - box.top - box.height / 2 };
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
