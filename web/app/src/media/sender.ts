// A broadcast that this tab sends: what the studio gives, in layers, sealed, to the node.
import { ownScript } from "../trusted";
import { LAYERS, type Sending } from "./broadcast";
import framesAddress from "./frames.ts?worker&url";
import type { FrameOptions, MediaKeys, ToFrames } from "./frames";
import { MediaLine } from "./mediaLine";
import { QualityMeter, sampleOf } from "./quality";
import { only } from "./sdp";
import type { Studio } from "./studio";

const MEASURE_EVERY_MS = 2_000;

/** Speech is clear at 32 kbit/s; what comes with a screen may be music. */
const SPEECH_BITS = 32_000;
const MUSIC_BITS = 96_000;

export interface SenderEvents {
  exchange(offerSdp: string): Promise<string>;
  changed(): void;
}

export class BroadcastSender {
  private readonly frames = new Worker(ownScript(framesAddress), { type: "module" });
  private readonly line: MediaLine;
  private readonly meter = new QualityMeter();
  private readonly unsubscribe: () => void;
  private readonly measuring: ReturnType<typeof setInterval>;
  private sound: RTCRtpSender | null = null;
  private picture: RTCRtpSender | null = null;
  private started = false;
  private closed = false;
  private part: Pick<Sending, "line" | "quality"> = { line: "connecting", quality: null };
  private whole: Sending | null = null;

  constructor(
    readonly studio: Studio,
    private readonly events: SenderEvents,
  ) {
    this.line = new MediaLine({
      build: (connection) => this.build(connection),
      exchange: (sdp) => events.exchange(sdp),
      changed: (line) => this.put(line === "up" ? { line } : { line, quality: null }),
    });
    this.unsubscribe = studio.subscribe(() => this.studioChanged());
    this.measuring = setInterval(() => void this.measure(), MEASURE_EVERY_MS);
  }

  state(broadcast: string): Sending {
    const studio = this.studio.state();
    if (this.whole === null || this.whole.studio !== studio || this.whole.broadcast !== broadcast) this.whole = { kind: "sends", broadcast, studio, ...this.part };
    return this.whole;
  }

  connect(): Promise<void> {
    return this.line.open();
  }

  again(): void {
    this.line.again();
  }

  /** The keys are there: from now on what the studio gives leaves. */
  async start(keys: MediaKeys): Promise<void> {
    this.tell({ kind: "keys", ...keys });
    this.started = true;
    await this.attach();
  }

  update(epoch: Uint8Array): void {
    this.tell({ kind: "epoch", epoch });
  }

  /** `release`: the studio goes on without it. */
  close(release = false): void {
    this.closed = true;
    clearInterval(this.measuring);
    this.unsubscribe();
    this.line.close();
    this.frames.terminate();
    if (!release) this.studio.close();
  }

  private build(connection: RTCPeerConnection): void {
    const sound = connection.addTransceiver("audio", { direction: "sendonly", sendEncodings: [{ maxBitrate: SPEECH_BITS }] });
    const picture = connection.addTransceiver("video", { direction: "sendonly", sendEncodings: LAYERS.map((layer) => ({ ...layer })) });
    only(sound, "audio", ["audio/opus"]);
    only(picture, "video", ["video/vp8", "video/rtx"]);
    // Of a sender with several layers, one transform gets the frames of all.
    sound.sender.transform = new RTCRtpScriptTransform(this.frames, { direction: "out", kind: "audio" } satisfies FrameOptions);
    picture.sender.transform = new RTCRtpScriptTransform(this.frames, { direction: "out", kind: "video" } satisfies FrameOptions);
    this.sound = sound.sender;
    this.picture = picture.sender;
    if (this.started) void this.attach();
  }

  private studioChanged(): void {
    if (this.started) void this.attach().catch(() => undefined); // of a connection that was given up meanwhile
    this.events.changed();
  }

  private async attach(): Promise<void> {
    const { sound, picture, studio } = this;
    if (sound === null || picture === null) return;
    if (sound.track !== studio.sound) await sound.replaceTrack(studio.sound);
    if (picture.track !== studio.picture) await picture.replaceTrack(studio.picture);
    await this.allow(sound, studio.state().screenSound ? MUSIC_BITS : SPEECH_BITS);
  }

  private async allow(sender: RTCRtpSender, bits: number): Promise<void> {
    const parameters = sender.getParameters();
    const [encoding] = parameters.encodings;
    if (encoding === undefined || encoding.maxBitrate === bits) return;
    encoding.maxBitrate = bits;
    await sender.setParameters(parameters);
  }

  private async measure(): Promise<void> {
    const stats = this.part.line === "up" ? await this.line.stats() : null;
    if (stats !== null && this.part.line === "up") this.put({ quality: this.meter.judge(sampleOf(stats)) });
  }

  private put(part: Partial<Pick<Sending, "line" | "quality">>): void {
    this.part = { ...this.part, ...part };
    this.whole = null;
    if (!this.closed) this.events.changed();
  }

  private tell(message: ToFrames): void {
    this.frames.postMessage(message);
  }
}
