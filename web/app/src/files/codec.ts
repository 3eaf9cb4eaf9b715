// The browser's decoders and encoders. Decoding and encoding run beside the page's own thread; only the drawing is in it.
import type { Codec, Drawable, Film } from "./prepare";

/** Longest wait for a film to show something of itself. */
const FILM_WAIT_MS = 10_000;
/** The first frame is often black. */
const POSTER_AT_S = 0.5;
const POSTER_TRIES_MAX = 20;
const POSTER_PAUSE_MS = 100;
/** Side of the copy in which transparency is looked for. */
const SAMPLE_SIDE_PX = 64;

export const browserCodec: Codec = {
  async picture(content) {
    const bitmap = await createImageBitmap(content, { imageOrientation: "from-image" });
    return drawable(bitmap, bitmap.width, bitmap.height, content.type !== "image/jpeg" && seeThrough(bitmap), () => bitmap.close());
  },
  async film(content, kind) {
    const url = URL.createObjectURL(content);
    const element = document.createElement(kind === "video" ? "video" : "audio");
    try {
      return await look(element, url);
    } finally {
      // Frees the decoder at once.
      element.removeAttribute("src");
      element.load();
      URL.revokeObjectURL(url);
    }
  },
};

async function look(element: HTMLMediaElement, url: string): Promise<Film> {
  element.muted = true;
  element.preload = "auto";
  if (element instanceof HTMLVideoElement) element.playsInline = true;
  element.src = url;
  await heard(element, "loadedmetadata");
  // What a browser records says its length only at its end.
  const durationMs = Number.isFinite(element.duration) ? Math.round(element.duration * 1000) : 0;
  if (!(element instanceof HTMLVideoElement)) return { durationMs, width: 0, height: 0, frame: null };
  const { videoWidth: width, videoHeight: height } = element;
  if (width === 0) throw new Error("a film without pictures");
  const frame = await poster(element, durationMs).catch(() => null);
  return { durationMs, width, height, frame: frame && drawable(frame, frame.width, frame.height, false, () => frame.close()) };
}

/** A film plays without one too. */
async function poster(element: HTMLVideoElement, durationMs: number): Promise<ImageBitmap> {
  element.currentTime = durationMs > 0 ? Math.min(POSTER_AT_S, durationMs / 2000) : POSTER_AT_S;
  await heard(element, "seeked");
  for (let tries = 1; ; tries += 1) {
    try {
      return await createImageBitmap(element);
    } catch (error) {
      // The place is reached, but its picture is not drawn yet: a busy machine takes a moment, and no event tells.
      if (tries === POSTER_TRIES_MAX) throw error;
      await new Promise((again) => setTimeout(again, POSTER_PAUSE_MS));
    }
  }
}

function heard(element: HTMLMediaElement, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => reject(new Error(`no ${event}`)), FILM_WAIT_MS);
    const settle = (then: () => void) => () => (clearTimeout(timeout), then());
    element.addEventListener(event, settle(resolve), { once: true });
    element.addEventListener("error", settle(() => reject(new Error("not decodable"))), { once: true });
  });
}

function drawable(source: ImageBitmap, width: number, height: number, clear: boolean, close: () => void): Drawable {
  return {
    width,
    height,
    seeThrough: clear,
    close,
    async encode(to, high, mime, quality) {
      const canvas = draw(source, to, high, clear && mime === "image/jpeg");
      const made = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, mime, quality));
      // A browser that cannot write a type silently writes PNG.
      return made?.type === mime ? made : null;
    },
  };
}

function draw(source: ImageBitmap, width: number, height: number, onWhite: boolean): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas");
  if (onWhite) {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}

function seeThrough(source: ImageBitmap): boolean {
  const side = SAMPLE_SIDE_PX;
  const pixels = draw(source, side, side, false).getContext("2d")?.getImageData(0, 0, side, side).data ?? [];
  for (let at = 3; at < pixels.length; at += 4) if ((pixels[at] ?? 255) < 250) return true;
  return false;
}
