// What a tab knows of the sound and picture of its own call. Not part of the view: streams stay in the tab that plays them.

/** How well sound and picture get through between this device and the server. */
export type Grade = "good" | "weak" | "poor";

export interface Quality {
  grade: Grade;
  /** To the server and back. */
  rttMs: number;
  /** The worse of both directions, of the last seconds. */
  lossPercent: number;
  jitterMs: number;
}

export interface LiveMedia {
  muted: boolean;
  camera: "off" | "starting" | "on";
  /** Why the camera is not on though it was asked for: the browser's error name. */
  cameraFailure: string | null;
  /** The own picture, shown before it leaves. */
  own: MediaStream | null;
  /** Looks at the person, so that the own picture is shown as in a mirror. */
  ownMirrored: boolean;
  peer: MediaStream | null;
  /** The other's camera is on: its pictures arrive and open, or did and are held up. */
  peerCamera: boolean;
  /** Parts of the other's pictures arrive, but no whole one for a while: the last stands still. */
  peerStalled: boolean;
  /** `lost`: nothing passes now; it is tried to connect again. */
  line: "connecting" | "up" | "lost";
  /** Null until there is something to say. */
  quality: Quality | null;
}

export const SILENT: LiveMedia = {
  muted: false, camera: "off", cameraFailure: null, own: null, ownMirrored: true, peer: null, peerCamera: false, peerStalled: false, line: "connecting", quality: null,
};
