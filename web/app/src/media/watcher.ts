// A broadcast that this tab watches: from the node, opened, to the loudspeaker and the screen.
import { ownScript } from "../trusted";
import type { Watching } from "./broadcast";
import { playOn } from "./devices";
import framesAddress from "./frames.ts?worker&url";
import type { FrameCounts, FrameOptions, MediaKeys, ToFrames } from "./frames";
import { MediaLine } from "./mediaLine";
import { PicturePresence } from "./presence";
import { QualityMeter, sampleOf, videoPacketsOf } from "./quality";
import { only } from "./sdp";

const MEASURE_EVERY_MS = 2_000;

/** Where the volume is kept: the next broadcast is as loud. */
const VOLUME = "wardline-volume";

export interface WatcherEvents {
  exchange(offerSdp: string): Promise<string>;
  changed(): void;
}

type Part = Omit<Watching, "kind" | "broadcast">;

export class BroadcastWatcher {
  private readonly frames = new Worker(ownScript(framesAddress), { type: "module" });
  private readonly audio = new Audio();
  private readonly presence = new PicturePresence();
  private readonly meter = new QualityMeter();
  private readonly line: MediaLine;
  private readonly measuring: ReturnType<typeof setInterval>;
  private seen: RTCRtpReceiver | null = null;
  private closed = false;
  private part: Part = { line: "connecting", quality: null, stream: null, picture: "off", volume: keptVolume(), hushed: false, blocked: false };
  private whole: Watching | null = null;

  constructor(private readonly events: WatcherEvents) {
    this.line = new MediaLine({
      build: (connection) => this.build(connection),
      exchange: (sdp) => events.exchange(sdp),
      changed: (line) => this.put(line === "up" ? { line } : { line, quality: null }),
    });
    this.frames.onmessage = ({ data }: MessageEvent<FrameCounts>) => void this.counted(data);
    this.measuring = setInterval(() => void this.measure(), MEASURE_EVERY_MS);
    this.loudness();
  }

  state(broadcast: string): Watching {
    if (this.whole?.broadcast !== broadcast) this.whole = { kind: "watches", broadcast, ...this.part };
    return this.whole;
  }

  async connect(): Promise<void> {
    await playOn(this.audio);
    await this.line.open();
  }

  again(): void {
    this.line.again();
  }

  start(keys: MediaKeys): void {
    this.tell({ kind: "keys", ...keys });
  }

  update(epoch: Uint8Array): void {
    this.tell({ kind: "epoch", epoch });
  }

  setVolume(volume: number): void {
    localStorage.setItem(VOLUME, String(volume));
    this.put({ volume });
    this.loudness();
  }

  /** Silent while there is a call. */
  hush(hushed: boolean): void {
    if (hushed === this.part.hushed) return;
    this.put({ hushed });
    this.loudness();
  }

  play(): void {
    this.audio.play().then(
      () => this.put({ blocked: false }),
      (error: unknown) => this.put({ blocked: error instanceof Error && error.name === "NotAllowedError" }),
    );
  }

  rechooseLoudspeaker(): Promise<void> {
    return playOn(this.audio);
  }

  close(): void {
    this.closed = true;
    clearInterval(this.measuring);
    this.line.close();
    this.audio.srcObject = null;
    this.frames.terminate();
  }

  private build(connection: RTCPeerConnection): void {
    const sound = connection.addTransceiver("audio", { direction: "recvonly" });
    const picture = connection.addTransceiver("video", { direction: "recvonly" });
    only(sound, "audio", ["audio/opus"]);
    only(picture, "video", ["video/vp8", "video/rtx"]);
    sound.receiver.transform = new RTCRtpScriptTransform(this.frames, { direction: "in", kind: "audio" } satisfies FrameOptions);
    picture.receiver.transform = new RTCRtpScriptTransform(this.frames, { direction: "in", kind: "video" } satisfies FrameOptions);
    this.seen = picture.receiver;
    this.audio.srcObject = new MediaStream([sound.receiver.track]);
    this.play();
    this.put({ stream: new MediaStream([picture.receiver.track]) });
  }

  private loudness(): void {
    this.audio.volume = this.part.volume;
    this.audio.muted = this.part.hushed || this.part.volume === 0;
  }

  private async counted({ opened }: FrameCounts): Promise<void> {
    const stats = await this.seen?.getStats();
    if (stats === undefined || this.closed) return;
    const picture = this.presence.heard({ ...opened, videoPackets: videoPacketsOf(stats) }, Date.now());
    if (picture !== this.part.picture) this.put({ picture });
  }

  private async measure(): Promise<void> {
    const stats = this.part.line === "up" ? await this.line.stats() : null;
    if (stats !== null && this.part.line === "up") this.put({ quality: this.meter.judge(sampleOf(stats)) });
  }

  private put(part: Partial<Part>): void {
    this.part = { ...this.part, ...part };
    this.whole = null;
    if (!this.closed) this.events.changed();
  }

  private tell(message: ToFrames): void {
    this.frames.postMessage(message);
  }
}

function keptVolume(): number {
  const kept = Number(localStorage.getItem(VOLUME) ?? 1);
  return kept >= 0 && kept <= 1 ? kept : 1;
}
