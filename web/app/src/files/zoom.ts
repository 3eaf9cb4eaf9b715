// Where a picture stands that is looked at closely. Pure: sizes are arguments, points are measured from the middle of the stage.

export interface Point {
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

/** `x` and `y` say how far the picture's middle is from the stage's. */
export interface Zoom extends Point {
  scale: number;
}

export const FIT: Zoom = { scale: 1, x: 0, y: 0 };
const SCALE_MAX = 8;
/** What a double click does. */
const CLOSE_SCALE = 2.5;

function within(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}

/** No farther than the picture's edge to the stage's. `picture` is its size at scale 1. */
function held(zoom: Zoom, stage: Size, picture: Size): Zoom {
  const roomX = Math.max(0, (picture.width * zoom.scale - stage.width) / 2);
  const roomY = Math.max(0, (picture.height * zoom.scale - stage.height) / 2);
  return { scale: zoom.scale, x: within(zoom.x, -roomX, roomX), y: within(zoom.y, -roomY, roomY) };
}

/** Nearer by a factor; what is at `at` stays there. */
export function zoomed(zoom: Zoom, factor: number, at: Point, stage: Size, picture: Size): Zoom {
  const scale = within(zoom.scale * factor, 1, SCALE_MAX);
  const ratio = scale / zoom.scale;
  return held({ scale, x: at.x - (at.x - zoom.x) * ratio, y: at.y - (at.y - zoom.y) * ratio }, stage, picture);
}

export function moved(zoom: Zoom, by: Point, stage: Size, picture: Size): Zoom {
  return held({ ...zoom, x: zoom.x + by.x, y: zoom.y + by.y }, stage, picture);
}

export function toggled(zoom: Zoom, at: Point, stage: Size, picture: Size): Zoom {
  return zoom.scale > 1 ? FIT : zoomed(zoom, CLOSE_SCALE, at, stage, picture);
}
