// The worker between the browser's codecs and its network: seals what leaves, opens what arrives, drops what does neither. Same SFrame as the native client.
/// <reference lib="webworker" />
import init, { Opener, Sealer } from "../engine/pkg/engine";

/** What seals and opens. */
export interface MediaKeys {
  epoch: Uint8Array;
  /** One context id for each track, never used before; null: nothing is sent. All simulcast layers of a picture are one track: one counter serves them. */
  contexts: { audio: number; video: number } | null;
  /** The account whose frames are opened; null: nobody's. */
  peer: string | null;
}

/** To this worker. */
export type ToFrames = ({ kind: "keys" } & MediaKeys) | { kind: "epoch"; epoch: Uint8Array };

type Kind = "audio" | "video";

/** From this worker, twice a second from the keys on: frames since it began. */
export interface FrameCounts {
  kind: "counts";
  sealed: number;
  opened: Record<Kind, number>;
  /** Arrived and did not open. */
  refused: number;
}

/** How a stream is treated, given as the transform's options. */
export interface FrameOptions {
  direction: "out" | "in";
  kind: Kind;
}

type Frame = RTCEncodedAudioFrame | RTCEncodedVideoFrame;

const COUNT_EVERY_MS = 500;

/** Of VP8 the packetizer and the node's key-frame logic read this much (RFC 7741 section 4.3); it is authenticated all the same. */
const VP8_KEY_CLEAR_BYTES = 10;
const VP8_DELTA_CLEAR_BYTES = 1;

const ready = init();
let sealers: Record<Kind, Sealer> | null = null;
let opener: Opener | null = null;
const counts = { sealed: 0, opened: { audio: 0, video: 0 }, refused: 0 };

self.onmessage = async ({ data }: MessageEvent<ToFrames>) => {
  await ready;
  if (data.kind === "keys") {
    const { epoch, contexts, peer } = data;
    sealers = contexts && { audio: new Sealer(epoch, contexts.audio), video: new Sealer(epoch, contexts.video) };
    opener = peer === null ? null : new Opener(peer, epoch, Date.now());
    setInterval(() => self.postMessage({ kind: "counts", ...counts } satisfies FrameCounts), COUNT_EVERY_MS);
  } else {
    sealers?.audio.update(data.epoch);
    sealers?.video.update(data.epoch);
    opener?.update(data.epoch, Date.now());
  }
};

/** Voice is sealed whole. A VP8 frame says in its first bit whether it is a key frame (RFC 6386 section 9.1). */
function clearBytes(kind: Kind, bytes: Uint8Array): number {
  if (kind === "audio") return 0;
  return ((bytes[0] ?? 1) & 1) === 0 ? VP8_KEY_CLEAR_BYTES : VP8_DELTA_CLEAR_BYTES;
}

function change({ direction, kind }: FrameOptions, bytes: Uint8Array): Uint8Array | undefined {
  const clear = clearBytes(kind, bytes);
  // Before the keys are there nothing leaves in clear: it is dropped.
  return direction === "out" ? sealers?.[kind].seal(bytes, clear) : opener?.open(bytes, clear, Date.now());
}

self.onrtctransform = ({ transformer }: RTCTransformEvent) => {
  const options = transformer.options as FrameOptions;
  const pass = new TransformStream<Frame, Frame>({
    transform(frame, controller) {
      const changed = change(options, new Uint8Array(frame.data));
      if (changed === undefined) {
        if (options.direction === "in") counts.refused += 1;
        return;
      }
      if (options.direction === "out") counts.sealed += 1;
      else counts.opened[options.kind] += 1;
      frame.data = changed.buffer as ArrayBuffer;
      controller.enqueue(frame);
    },
  });
  void transformer.readable.pipeThrough(pass).pipeTo(transformer.writable);
};
