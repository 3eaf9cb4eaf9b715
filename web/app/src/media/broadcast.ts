// What a tab knows of the sound and picture of the broadcast that it sends or watches. Not part of the view: streams stay in the tab that has them.
import type { BroadcastId } from "../device/contract";
import type { Quality } from "./live";
import type { StudioState } from "./studio";

interface Common {
  /** Empty while it is being started. */
  broadcast: BroadcastId;
  /** `lost`: nothing passes now; it is tried to connect again. */
  line: "connecting" | "up" | "lost";
  /** Null until there is something to say. */
  quality: Quality | null;
}

export interface Sending extends Common {
  kind: "sends";
  studio: StudioState;
}

export interface Watching extends Common {
  kind: "watches";
  stream: MediaStream | null;
  /** `stalled`: parts of pictures arrive, but no whole one for a while. */
  picture: "off" | "on" | "stalled";
  /** 0 to 1; 0 is muted. */
  volume: number;
  /** Silent while there is a call. */
  hushed: boolean;
  /** The browser holds the sound back until somebody taps. */
  blocked: boolean;
}

export type BroadcastMedia = Sending | Watching;

/** The layers of the picture that are sent at once: of each viewer's, the node chooses one. */
export const LAYERS = [
  { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: "h", maxBitrate: 1_500_000 },
] satisfies RTCRtpEncodingParameters[];
