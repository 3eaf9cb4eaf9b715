// Whether the other's camera is on, from what arrives: the node is told nothing, and browsers say nothing when a track stops. Pure.

/** Without a picture for so long, while sound arrives, the camera is off. A camera gives one at least every 200 ms. */
const OFF_AFTER_MS = 1_500;

/** A camera that is switched off sends nothing from then on; what of its line still comes so long after the last picture is of further ones. */
const STALLED_AFTER_MS = 1_000;

export type PeerPicture = "off" | "on" | "stalled";

/** Since the call began. */
export interface Arrived {
  /** Frames opened. */
  audio: number;
  video: number;
  /** Of the picture's line, whole frame or not. */
  videoPackets: number;
}

export class PicturePresence {
  private before: Arrived = { audio: 0, video: 0, videoPackets: 0 };
  private pictureAtMs = -Infinity;
  private packetAtMs = -Infinity;
  private state: PeerPicture = "off";

  heard(arrived: Arrived, nowMs: number): PeerPicture {
    const sound = arrived.audio > this.before.audio;
    if (arrived.videoPackets > this.before.videoPackets) this.packetAtMs = nowMs;
    if (arrived.video > this.before.video) {
      this.pictureAtMs = nowMs;
      this.state = "on";
    } else if (this.state !== "off" && nowMs - this.pictureAtMs >= OFF_AFTER_MS) {
      const parts = nowMs - this.packetAtMs < OFF_AFTER_MS && this.packetAtMs - this.pictureAtMs >= STALLED_AFTER_MS;
      if (parts) this.state = "stalled";
      else if (sound) this.state = "off"; // when neither arrives it is the network, and the last picture stays
    }
    this.before = arrived;
    return this.state;
  }
}
