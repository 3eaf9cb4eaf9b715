// What a broadcast is made of in this tab: a microphone, a camera or the screen, and their sounds mixed into one. It is set up, and looked at, before anything leaves.
import { camera, chosen, type Facing, microphone } from "./devices";

export type Source = "camera" | "screen";

export interface StudioState {
  /** `starting`: the browser asks for it. */
  picture: "off" | "starting" | Source;
  own: MediaStream | null;
  /** Looks at the person, so that it is shown as in a mirror. */
  mirrored: boolean;
  microphone: "off" | "starting" | "on";
  muted: boolean;
  /** The screen brings sound of its own. */
  screenSound: boolean;
  /** What could not be had at last: the browser's error name. */
  failure: { of: Source | "microphone"; name: string } | null;
}

const EMPTY: StudioState = { picture: "off", own: null, mirrored: false, microphone: "off", muted: false, screenSound: false, failure: null };

/** A screen's text must be read; more points than these only cost. */
const SCREEN = { width: { max: 1920 }, height: { max: 1080 }, frameRate: { ideal: 15, max: 30 } } satisfies MediaTrackConstraints;

export class Studio {
  private readonly mixer = new AudioContext();
  private readonly mixed = this.mixer.createMediaStreamDestination();
  private readonly voice = this.mixer.createGain();
  private readonly meter = this.mixer.createAnalyser();
  private readonly levels = new Float32Array(1024);
  private current = EMPTY;
  private microphoneTrack: MediaStreamTrack | null = null;
  private voiceSource: MediaStreamAudioSourceNode | null = null;
  private screenSource: MediaStreamAudioSourceNode | null = null;
  private track: MediaStreamTrack | null = null;
  private facing: Facing | null = null;
  private closed = false;
  /** One change after the other: a second press waits for the first. */
  private turn: Promise<void> = Promise.resolve();
  private readonly changed = new Set<() => void>();

  constructor() {
    this.voice.connect(this.mixed);
    this.meter.fftSize = this.levels.length;
    this.sound.contentHint = "speech";
    void this.mixer.resume().catch(() => undefined); // allowed: the person has just pressed a button
  }

  /** Always the same track, and never silent altogether: what goes on and off is mixed into it. */
  get sound(): MediaStreamTrack {
    const [track] = this.mixed.stream.getAudioTracks();
    if (track === undefined) throw new DOMException("no sound can be mixed", "NotSupportedError");
    return track;
  }

  get picture(): MediaStreamTrack | null {
    return this.track;
  }

  state(): StudioState {
    return this.current;
  }

  subscribe(changed: () => void): () => void {
    this.changed.add(changed);
    return () => this.changed.delete(changed);
  }

  /** How loud the microphone is now: 0 to 1. */
  level(): number {
    if (this.voiceSource === null || this.current.muted) return 0;
    this.meter.getFloatTimeDomainData(this.levels);
    const power = this.levels.reduce((sum, value) => sum + value * value, 0) / this.levels.length;
    // From -60 dB on it is heard.
    return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-9)) / 60));
  }

  openMicrophone(): Promise<void> {
    return this.next(async () => {
      this.put({ microphone: "starting" });
      try {
        await this.takeMicrophone();
      } catch (error) {
        this.put({ microphone: this.microphoneTrack ? "on" : "off", failure: { of: "microphone", name: nameOf(error) } });
      }
    });
  }

  /** Shows this and nothing else; null: sound alone. What cannot be had leaves everything as it was. */
  show(source: Source | null): Promise<void> {
    return this.next(async () => {
      if (source === null) return this.dropPicture();
      const before = this.current.picture;
      this.put({ picture: "starting", failure: null });
      try {
        await (source === "camera" ? this.takeCamera() : this.takeScreen());
      } catch (error) {
        this.put({ picture: this.track ? before : "off", failure: { of: source, name: nameOf(error) } });
      }
    });
  }

  turnCamera(): Promise<void> {
    return this.next(async () => {
      if (this.current.picture !== "camera" || this.track === null) return;
      this.facing = this.track.getSettings().facingMode === "environment" ? "user" : "environment";
      // Phones give only one camera at a time.
      this.track.stop();
      await this.takeCamera().catch((error: unknown) => {
        this.dropPicture();
        this.put({ failure: { of: "camera", name: nameOf(error) } });
      });
    });
  }

  /** Another microphone or camera was chosen: takes it. */
  async rechoose(use: "microphone" | "camera"): Promise<void> {
    if (use === "microphone") return this.openMicrophone();
    this.facing = null;
    if (this.current.picture === "camera" && this.track?.getSettings().deviceId !== chosen("camera")) await this.show("camera");
  }

  mute(muted: boolean): void {
    this.voice.gain.value = muted ? 0 : 1;
    this.put({ muted });
  }

  close(): void {
    this.closed = true;
    this.microphoneTrack?.stop();
    this.track?.stop();
    this.sound.stop();
    for (const track of this.screenSource?.mediaStream.getTracks() ?? []) track.stop();
    void this.mixer.close();
  }

  private next(step: () => void | Promise<void>): Promise<void> {
    const done = this.turn.then(() => (this.closed ? undefined : step()));
    this.turn = done.catch(() => undefined);
    return done;
  }

  private async takeMicrophone(): Promise<void> {
    const track = await microphone();
    if (this.closed) return track.stop();
    this.microphoneTrack?.stop();
    this.voiceSource?.disconnect();
    this.microphoneTrack = track;
    this.voiceSource = this.mixer.createMediaStreamSource(new MediaStream([track]));
    this.voiceSource.connect(this.voice);
    this.voiceSource.connect(this.meter);
    // Unplugged in mid-sentence: the default one goes on.
    track.addEventListener("ended", () => void this.openMicrophone(), { once: true });
    const failure = this.current.failure?.of === "microphone" ? null : this.current.failure;
    this.put({ microphone: "on", failure });
  }

  private async takeCamera(): Promise<void> {
    const track = await camera(this.facing);
    if (this.closed) return track.stop();
    track.contentHint = "motion";
    this.replace(track, "camera");
  }

  private async takeScreen(): Promise<void> {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: SCREEN, audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
    const [track] = stream.getVideoTracks();
    if (this.closed || track === undefined) return stream.getTracks().forEach((one) => one.stop());
    track.contentHint = "detail";
    this.replace(track, "screen");
    const sounds = stream.getAudioTracks();
    if (sounds.length === 0) return;
    this.screenSource = this.mixer.createMediaStreamSource(new MediaStream(sounds));
    this.screenSource.connect(this.mixed);
    this.sound.contentHint = "music";
    this.put({ screenSound: true });
  }

  private replace(track: MediaStreamTrack, source: Source): void {
    this.track?.stop();
    this.dropScreenSound();
    this.track = track;
    // Stopped from the browser's own bar, or unplugged.
    track.addEventListener("ended", () => track === this.track && this.dropPicture(), { once: true });
    this.put({ picture: source, own: new MediaStream([track]), mirrored: source === "camera" && track.getSettings().facingMode !== "environment", failure: null });
  }

  private dropPicture(): void {
    this.track?.stop();
    this.track = null;
    this.dropScreenSound();
    this.put({ picture: "off", own: null, failure: null });
  }

  private dropScreenSound(): void {
    if (this.screenSource === null) return;
    for (const track of this.screenSource.mediaStream.getTracks()) track.stop();
    this.screenSource.disconnect();
    this.screenSource = null;
    this.sound.contentHint = "speech";
    this.put({ screenSound: false });
  }

  private put(part: Partial<StudioState>): void {
    this.current = { ...this.current, ...part };
    if (!this.closed) for (const changed of this.changed) changed();
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}
