// One call's sound and picture in this tab: devices -> codecs -> SFrame -> the node, and back. Connected while it rings, silent and dark until it is accepted.
import { ownScript } from "../trusted";
import { type MediaDeviceUse, microphone, playOn } from "./devices";
import framesAddress from "./frames.ts?worker&url";
import type { FrameCounts, FrameOptions, MediaKeys, ToFrames } from "./frames";
import { type LiveMedia, SILENT } from "./live";
import { OwnPicture, PICTURE_BITS_MAX } from "./picture";
import { PicturePresence } from "./presence";
import { QualityMeter, sampleOf, videoPacketsOf } from "./quality";
import { offerOf, only } from "./sdp";

const MEASURE_EVERY_MS = 2_000;

/** A gap shorter than this heals by itself. */
const RECONNECT_AFTER_MS = 3_000;

/** The node holds a call for 30 s; until then it is tried again and again. */
const RECONNECT_EVERY_MS = 4_000;

export interface CallEvents {
  /** The other is heard or seen for the first time. */
  talking(): void;
  changed(live: LiveMedia): void;
  /** The line is gone: takes a new offer to the node and brings its answer. */
  reconnect(sdp: string): Promise<string>;
}

export class CallMedia {
  private readonly frames = new Worker(ownScript(framesAddress), { type: "module" });
  private readonly audio = new Audio();
  private readonly presence = new PicturePresence();
  private readonly meter = new QualityMeter();
  private readonly picture: OwnPicture;
  private readonly voice: RTCRtpSender;
  private readonly seen: RTCRtpReceiver;
  private live: LiveMedia = SILENT;
  private heard = false;
  private started = false;
  private closed = false;
  private attempt = 0;
  private readonly measuring: ReturnType<typeof setInterval>;
  private reconnecting: ReturnType<typeof setTimeout> | undefined;

  private constructor(
    private readonly connection: RTCPeerConnection,
    private microphone: MediaStreamTrack,
    private readonly events: CallEvents,
  ) {
    // Silence until the call is accepted: not even comfort noise leaves before.
    microphone.enabled = false;
    const voice = connection.addTransceiver(microphone, { direction: "sendrecv" });
    // There from the beginning, so that nothing is negotiated when a camera goes on.
    const picture = connection.addTransceiver("video", { direction: "sendrecv", sendEncodings: [{ maxBitrate: PICTURE_BITS_MAX }] });
    only(voice, "audio", ["audio/opus"]);
    only(picture, "video", ["video/vp8", "video/rtx"]);
    this.pass(voice, "audio");
    this.pass(picture, "video");
    this.voice = voice.sender;
    this.seen = picture.receiver;
    this.watchMicrophone();
    this.picture = new OwnPicture(picture.sender, (own) => {
      this.put({ camera: own ? "on" : "off", own: own?.stream ?? null, ownMirrored: own?.mirrored ?? true });
    });
    this.audio.srcObject = new MediaStream([voice.receiver.track]);
    this.live = { ...SILENT, peer: new MediaStream([picture.receiver.track]) };
    this.frames.onmessage = ({ data }: MessageEvent<FrameCounts>) => void this.counted(data);
    connection.onconnectionstatechange = () => this.lineChanged();
    this.measuring = setInterval(() => void this.measure(), MEASURE_EVERY_MS);
  }

  /** Asks for the microphone and makes the offer. Rejects when the person or the browser refuses. */
  static async offer(events: CallEvents): Promise<{ media: CallMedia; sdp: string }> {
    const track = await microphone();
    const media = new CallMedia(new RTCPeerConnection({ iceServers: [] }), track, events);
    try {
      await playOn(media.audio);
      return { media, sdp: await offerOf(media.connection) };
    } catch (error) {
      media.close();
      throw error;
    }
  }

  state(): LiveMedia {
    return this.live;
  }

  async answer(sdp: string): Promise<void> {
    await this.connection.setRemoteDescription({ type: "answer", sdp });
  }

  /** The call is accepted: the keys, and sound and picture from now on. */
  start(keys: MediaKeys): void {
    this.tell({ kind: "keys", ...keys });
    this.started = true;
    this.microphone.enabled = !this.live.muted;
    void this.picture.start();
    void this.audio.play().catch(() => undefined); // allowed: the person has just pressed a button
  }

  update(epoch: Uint8Array): void {
    this.tell({ kind: "epoch", epoch });
  }

  mute(muted: boolean): void {
    this.put({ muted });
    this.microphone.enabled = this.started && !muted;
  }

  /** Rejects as getUserMedia does; the reason is in the state as well. */
  async setCamera(on: boolean): Promise<void> {
    if (!on) return this.picture.off();
    this.put({ camera: "starting", cameraFailure: null });
    await this.tryPicture(() => this.picture.on());
  }

  turnCamera(): Promise<void> {
    return this.tryPicture(() => this.picture.turnAround());
  }

  /** Another device was chosen: takes it. */
  async rechoose(use: MediaDeviceUse): Promise<void> {
    if (use === "loudspeaker") await playOn(this.audio);
    else if (use === "camera") await this.tryPicture(() => this.picture.rechoose());
    else await this.takeMicrophone();
  }

  close(): void {
    this.closed = true;
    clearInterval(this.measuring);
    clearTimeout(this.reconnecting);
    this.microphone.stop();
    this.picture.close();
    this.connection.close();
    this.audio.srcObject = null;
    this.frames.terminate();
  }

  private async takeMicrophone(): Promise<void> {
    const track = await microphone();
    if (this.closed) return track.stop();
    track.enabled = this.started && !this.live.muted;
    await this.voice.replaceTrack(track);
    this.microphone.stop();
    this.microphone = track;
    this.watchMicrophone();
  }

  /** Unplugged in mid-sentence: the default one goes on. Without any the call goes on in one direction. */
  private watchMicrophone(): void {
    this.microphone.addEventListener("ended", () => void this.takeMicrophone().catch(() => undefined), { once: true });
  }

  private async tryPicture(step: () => Promise<void>): Promise<void> {
    try {
      await step();
      if (this.live.camera === "starting") this.put({ camera: this.live.own ? "on" : "off" });
    } catch (error) {
      this.put({ camera: "off", cameraFailure: error instanceof Error ? error.name : String(error) });
      throw error;
    }
  }

  private pass(line: RTCRtpTransceiver, kind: FrameOptions["kind"]): void {
    const transform = (direction: FrameOptions["direction"]) => new RTCRtpScriptTransform(this.frames, { direction, kind } satisfies FrameOptions);
    line.sender.transform = transform("out");
    line.receiver.transform = transform("in");
  }

  private async counted({ opened }: FrameCounts): Promise<void> {
    if (!this.heard && opened.audio + opened.video > 0) {
      this.heard = true;
      this.events.talking();
    }
    const videoPackets = videoPacketsOf(await this.seen.getStats());
    const picture = this.presence.heard({ ...opened, videoPackets }, Date.now());
    this.put({ peerCamera: picture !== "off", peerStalled: picture === "stalled" });
  }

  private async measure(): Promise<void> {
    if (!this.heard || this.live.line !== "up") return;
    const quality = this.meter.judge(sampleOf(await this.connection.getStats()));
    if (!this.closed) this.put({ quality });
  }

  private lineChanged(): void {
    const { connectionState } = this.connection;
    clearTimeout(this.reconnecting);
    if (connectionState === "connected") this.put({ line: "up" });
    else if (connectionState === "disconnected" || connectionState === "failed") {
      this.put({ line: "lost", quality: null });
      this.reconnectIn(connectionState === "failed" ? 0 : RECONNECT_AFTER_MS);
    }
  }

  /** Asks the node for a new path until there is one, or until the call is over. */
  private reconnectIn(ms: number): void {
    this.reconnecting = setTimeout(() => {
      void this.restart().catch(() => undefined); // without the node: again in a moment
      this.reconnectIn(RECONNECT_EVERY_MS);
    }, ms);
  }

  private async restart(): Promise<void> {
    const attempt = (this.attempt += 1);
    const sdp = await offerOf(this.connection, { iceRestart: true });
    const answer = await this.events.reconnect(sdp);
    // The answer to an offer that was given up would name a path that is not there.
    if (!this.closed && attempt === this.attempt) await this.answer(answer);
  }

  private put(part: Partial<LiveMedia>): void {
    const changed = (Object.keys(part) as (keyof LiveMedia)[]).some((key) => part[key] !== this.live[key]);
    if (!changed) return;
    this.live = { ...this.live, ...part };
    if (!this.closed) this.events.changed(this.live);
  }

  private tell(message: ToFrames): void {
    this.frames.postMessage(message);
  }
}
