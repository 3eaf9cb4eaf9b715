// How large a picture is drawn in the timeline. It follows from the message alone, so nothing moves when the content comes. Pure.

export interface Frame {
  width: number;
  height: number;
}

const WIDTH_MAX_PX = 330;
const HEIGHT_MAX_PX = 380;
/** Room for the controls and the time that lie on it. */
const SIDE_MIN_PX = 132;
/** A picture whose size nobody has said. */
const UNKNOWN: Frame = { width: 280, height: 210 };

/** Sides that a picture can have; everything else a sender may write is unknown. */
function plausible(side: number): boolean {
  return Number.isFinite(side) && side >= 1 && side <= 100_000;
}

/** What is wider or higher than the frame's limits is cut at its edges; the viewer shows all of it. */
export function frameOf(width: number, height: number): Frame {
  if (!plausible(width) || !plausible(height)) return UNKNOWN;
  const scale = Math.min(WIDTH_MAX_PX / width, HEIGHT_MAX_PX / height, 1);
  const within = (side: number, max: number) => Math.round(Math.min(max, Math.max(SIDE_MIN_PX, side)));
  return { width: within(width * scale, WIDTH_MAX_PX), height: within(height * scale, HEIGHT_MAX_PX) };
}

/** Shrinks to at most `max` on the long side; never enlarges. */
export function fitted(width: number, height: number, max: number): Frame {
  const scale = Math.min(1, max / Math.max(width, height, 1));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}
