// The own camera in a call: on and off, front and back, and what of it leaves.
import { type Facing, camera, chosen } from "./devices";

/** What a 1:1 picture may take of the line (bit/s); voice goes first and takes 32 kbit/s. */
export const PICTURE_BITS_MAX = 1_500_000;

export class OwnPicture {
  private track: MediaStreamTrack | null = null;
  private leaves = false;
  private closed = false;
  private facing: Facing | null = null;
  /** One change after the other: a second press waits for the first. */
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly sender: RTCRtpSender,
    /** Told of each change; null: off. */
    private readonly changed: (own: { stream: MediaStream; mirrored: boolean } | null) => void,
  ) {}

  /** Takes the camera; rejects as getUserMedia does. */
  on(): Promise<void> {
    return this.next(() => this.take());
  }

  off(): Promise<void> {
    return this.next(() => this.drop());
  }

  /** From the front camera to the back one, or the other way. */
  turnAround(): Promise<void> {
    return this.next(async () => {
      if (this.track === null) return;
      this.facing = facingOf(this.track) === "environment" ? "user" : "environment";
      // Phones give only one camera at a time.
      await this.drop();
      await this.take();
    });
  }

  /** Another camera was chosen. */
  rechoose(): Promise<void> {
    return this.next(async () => {
      this.facing = null;
      if (this.track === null || this.track.getSettings().deviceId === chosen("camera")) return;
      await this.drop();
      await this.take();
    });
  }

  /** The call is accepted: from now on what the camera sees leaves. */
  start(): Promise<void> {
    return this.next(async () => {
      this.leaves = true;
      if (this.track !== null) await this.sender.replaceTrack(this.track);
    });
  }

  close(): void {
    this.closed = true;
    this.track?.stop();
    this.track = null;
  }

  private next(step: () => Promise<void>): Promise<void> {
    const done = this.turn.then(step);
    this.turn = done.catch(() => undefined);
    return done;
  }

  private async take(): Promise<void> {
    if (this.track !== null || this.closed) return;
    const track = await camera(this.facing);
    if (this.closed) return track.stop();
    track.contentHint = "motion";
    track.addEventListener("ended", () => void this.off());
    this.track = track;
    if (this.leaves) await this.sender.replaceTrack(track);
    this.changed({ stream: new MediaStream([track]), mirrored: facingOf(track) !== "environment" });
  }

  private async drop(): Promise<void> {
    if (this.track === null) return;
    this.track.stop();
    this.track = null;
    this.changed(null);
    if (!this.closed) await this.sender.replaceTrack(null);
  }
}

function facingOf(track: MediaStreamTrack): string | undefined {
  return track.getSettings().facingMode;
}
