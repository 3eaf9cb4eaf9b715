// The worker between the browser's codecs and its network: seals what leaves, opens what arrives, drops what does neither. Same SFrame as the native client.
/// <reference lib="webworker" />
import init, { Opener, Sealer } from "../engine/pkg/engine";

/** To this worker. */
export type ToFrames =
  | { kind: "keys"; epoch: Uint8Array; contextId: number; peer: string }
  | { kind: "epoch"; epoch: Uint8Array };

/** From this worker, twice a second while a call goes on. */
export interface FrameCounts {
  kind: "counts";
  sealed: number;
  opened: number;
  /** Arrived and did not open. */
  refused: number;
}

/** How a stream is treated, given as the transform's options. */
export interface FrameOptions {
  direction: "out" | "in";
}

const COUNT_EVERY_MS = 500;

// What the node must be able to read, it reads of video only; voice is sealed whole.
const CLEAR_BYTES = 0;

const ready = init();
let sealer: Sealer | null = null;
let opener: Opener | null = null;
const counts = { sealed: 0, opened: 0, refused: 0 };

self.onmessage = async ({ data }: MessageEvent<ToFrames>) => {
  await ready;
  if (data.kind === "keys") {
    sealer = new Sealer(data.epoch, data.contextId);
    opener = new Opener(data.peer, data.epoch, Date.now());
    setInterval(() => self.postMessage({ kind: "counts", ...counts } satisfies FrameCounts), COUNT_EVERY_MS);
  } else {
    sealer?.update(data.epoch);
    opener?.update(data.epoch, Date.now());
  }
};

self.onrtctransform = ({ transformer }: RTCTransformEvent) => {
  const { direction } = transformer.options as FrameOptions;
  const pass = new TransformStream<RTCEncodedAudioFrame, RTCEncodedAudioFrame>({
    transform(frame, controller) {
      const bytes = new Uint8Array(frame.data);
      // Before the keys are there nothing leaves in clear: it is dropped.
      const changed = direction === "out" ? sealer?.seal(bytes, CLEAR_BYTES) : opener?.open(bytes, CLEAR_BYTES, Date.now());
      if (changed === undefined) {
        if (direction === "in") counts.refused += 1;
        return;
      }
      if (direction === "out") counts.sealed += 1;
      else counts.opened += 1;
      frame.data = changed.buffer as ArrayBuffer;
      controller.enqueue(frame);
    },
  });
  void transformer.readable.pipeThrough(pass).pipeTo(transformer.writable);
};
