// The camera while one scans: asked for when the scanner comes, its middle read a few times a second, let go when the scanner goes.
import { useCallback, useEffect, useRef, useState, type RefObject } from "react";
import { camera } from "../media/devices";

export type Trouble =
  | "denied" // by the person, the browser or the hospital's rules
  | "none" // there is no camera
  | "busy" // another program has it, or it was unplugged
  | "broken"; // the reader could not be loaded

export type Scanning = { state: "starting" } | { state: "looking"; mirrored: boolean } | { state: "failed"; trouble: Trouble };

/** Between two looks: quick to the eye, easy on a phone's battery. */
const PAUSE_MS = 120;
/** A look's picture is square and at most so wide: enough for the densest of the codes held at arm's length. */
const SIDE_MAX = 720;

export function troubleOf(error: unknown): Trouble {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  return "none";
}

/** `found` is told every text that is read; it answers whether that was it. */
export function useScanner(video: RefObject<HTMLVideoElement | null>, found: (text: string) => boolean): { scanning: Scanning; again(): void } {
  const [scanning, setScanning] = useState<Scanning>({ state: "starting" });
  const [attempt, setAttempt] = useState(0);
  const latest = useRef(found);
  useEffect(() => {
    latest.current = found;
  });

  useEffect(() => {
    const ends = new AbortController();
    const fail = (trouble: Trouble) => {
      if (!ends.signal.aborted) setScanning({ state: "failed", trouble });
      ends.abort();
    };
    setScanning({ state: "starting" });
    void look(video, ends.signal, (text) => latest.current(text), (mirrored) => setScanning({ state: "looking", mirrored }), fail);
    return () => ends.abort();
  }, [video, attempt]);

  const again = useCallback(() => setAttempt((before) => before + 1), []);
  return { scanning, again };
}

async function look(video: RefObject<HTMLVideoElement | null>, ends: AbortSignal, found: (text: string) => boolean, started: (mirrored: boolean) => void, fail: (trouble: Trouble) => void): Promise<void> {
  // Both at once: the camera takes a moment anyway.
  const loading = import("./reader").catch(() => null);
  // Phones and tablets have a camera at the back, which is the one to point with.
  const held = matchMedia("(pointer: coarse)").matches;
  let track: MediaStreamTrack;
  try {
    track = await camera(held ? "environment" : null);
  } catch (error) {
    return fail(troubleOf(error));
  }
  if (ends.aborted) return track.stop();
  ends.addEventListener("abort", () => track.stop());
  track.addEventListener("ended", () => fail("busy"));
  const reader = await loading;
  const element = video.current;
  if (ends.aborted || element === null) return;
  if (reader === null) return fail("broken");
  element.srcObject = new MediaStream([track]);
  // One that is interrupted plays on by itself; until then there is no picture to look at.
  await element.play().catch(() => undefined);
  if (ends.aborted) return;
  const { facingMode } = track.getSettings();
  started(facingMode === "user" || (!held && facingMode !== "environment"));
  await readUntilFound(element, reader.readQr, ends, found);
}

async function readUntilFound(video: HTMLVideoElement, read: (picture: ImageData) => string | null, ends: AbortSignal, found: (text: string) => boolean): Promise<void> {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  while (context && !ends.aborted) {
    const picture = middle(video, context);
    const text = picture && read(picture);
    if (text && found(text)) return;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** The square that the person sees; null while the camera has given nothing. */
function middle(video: HTMLVideoElement, context: CanvasRenderingContext2D): ImageData | null {
  const { videoWidth, videoHeight } = video;
  const cut = Math.min(videoWidth, videoHeight);
  if (cut === 0) return null;
  const side = Math.min(cut, SIDE_MAX);
  const { canvas } = context;
  if (canvas.width !== side) [canvas.width, canvas.height] = [side, side];
  context.drawImage(video, (videoWidth - cut) / 2, (videoHeight - cut) / 2, cut, cut, 0, 0, side, side);
  return context.getImageData(0, 0, side, side);
}
