// Whether the other's camera is on, from what arrives: the node is told nothing, and browsers say nothing when a track stops. Pure.

/** Without a picture for so long, while sound arrives, the camera is off. A camera gives one at least every 200 ms. */
const OFF_AFTER_MS = 1_500;

export class PicturePresence {
  private pictures = 0;
  private sounds = 0;
  private pictureAtMs = -Infinity;
  private on = false;

  /** Frames opened since the call began. Gives whether the camera is on. */
  heard(opened: { audio: number; video: number }, nowMs: number): boolean {
    const sound = opened.audio > this.sounds;
    if (opened.video > this.pictures) {
      this.pictureAtMs = nowMs;
      this.on = true;
    } else if (sound && nowMs - this.pictureAtMs >= OFF_AFTER_MS) {
      this.on = false; // when neither arrives it is the network, and the last picture stays
    }
    this.pictures = opened.video;
    this.sounds = opened.audio;
    return this.on;
  }
}
