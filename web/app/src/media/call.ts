// One call's sound in this tab: microphone -> Opus -> SFrame -> the node, and back. Connected while it rings, silent until it is accepted.
import { ownScript } from "../trusted";
import framesAddress from "./frames.ts?worker&url";
import type { FrameCounts, FrameOptions, ToFrames } from "./frames";

/** Gathering host candidates is reading the interfaces; what is not there by then is left out. */
const GATHERING_MAX_MS = 1_500;

export class CallMedia {
  private readonly frames = new Worker(ownScript(framesAddress), { type: "module" });
  private readonly audio = new Audio();

  private constructor(
    private readonly connection: RTCPeerConnection,
    private readonly microphone: MediaStreamTrack,
    private readonly onTalking: () => void,
  ) {
    let talking = false;
    this.frames.onmessage = ({ data }: MessageEvent<FrameCounts>) => {
      if (!talking && data.opened > 0) {
        talking = true;
        this.onTalking();
      }
    };
  }

  /** Asks for the microphone and makes the offer. Rejects when the person or the browser refuses. */
  static async offer(onTalking: () => void, onBroken: () => void): Promise<{ media: CallMedia; sdp: string }> {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    const microphone = stream.getAudioTracks()[0];
    if (microphone === undefined) throw new Error("no microphone");
    const connection = new RTCPeerConnection({ iceServers: [] });
    const media = new CallMedia(connection, microphone, onTalking);
    try {
      // Silence until the call is accepted: not even comfort noise leaves before.
      microphone.enabled = false;
      const line = connection.addTransceiver(microphone, { direction: "sendrecv", streams: [stream] });
      const opus = RTCRtpSender.getCapabilities("audio")?.codecs.filter(({ mimeType }) => mimeType === "audio/opus");
      if (opus) line.setCodecPreferences(opus);
      line.sender.transform = media.transform("out");
      line.receiver.transform = media.transform("in");
      connection.ontrack = ({ track }) => {
        media.audio.srcObject = new MediaStream([track]);
      };
      connection.onconnectionstatechange = () => {
        if (connection.connectionState === "failed") onBroken();
      };
      const offer = await connection.createOffer();
      await connection.setLocalDescription({ type: "offer", sdp: steady(offer.sdp ?? "") });
      await gathered(connection);
      return { media, sdp: connection.localDescription?.sdp ?? "" };
    } catch (error) {
      media.close();
      throw error;
    }
  }

  async answer(sdp: string): Promise<void> {
    await this.connection.setRemoteDescription({ type: "answer", sdp });
  }

  /** The call is accepted: the keys, and sound from now on. */
  start(keys: { epoch: Uint8Array; contextId: number }, peer: string): void {
    this.tell({ kind: "keys", peer, epoch: keys.epoch, contextId: keys.contextId });
    this.microphone.enabled = true;
    void this.audio.play().catch(() => undefined); // allowed: the person has just pressed a button
  }

  update(epoch: Uint8Array): void {
    this.tell({ kind: "epoch", epoch });
  }

  mute(muted: boolean): void {
    this.microphone.enabled = !muted;
  }

  close(): void {
    this.microphone.stop();
    this.connection.close();
    this.audio.srcObject = null;
    this.frames.terminate();
  }

  private transform(direction: FrameOptions["direction"]): RTCRtpScriptTransform {
    return new RTCRtpScriptTransform(this.frames, { direction } satisfies FrameOptions);
  }

  private tell(message: ToFrames): void {
    this.frames.postMessage(message);
  }
}

/**
 * Opus at a constant bit rate without DTX, since sizes and pauses would tell what is said; with its own error correction. No audio level extension
 * (RFC 6464): it would tell the node who speaks when.
 */
export function steady(sdp: string): string {
  const opus = /a=rtpmap:(\d+) opus\/48000/i.exec(sdp)?.[1];
  const lines = sdp.split("\r\n").filter((line) => !line.includes("urn:ietf:params:rtp-hdrext:ssrc-audio-level"));
  return lines
    .map((line) => (line.startsWith(`a=fmtp:${opus} `) ? `a=fmtp:${opus} minptime=10;useinbandfec=1;cbr=1;usedtx=0` : line))
    .join("\r\n");
}

function gathered(connection: RTCPeerConnection): Promise<void> {
  if (connection.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHERING_MAX_MS);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}
