// Moves ciphertexts between the shelf and the node, piece by piece, over bulk streams. What is said on them is the engine's.
import { BulkReceiving, BulkSending } from "../engine/pkg/engine";
import type { Failed, UploadEnd } from "../engine/outputs";
import type { Bulk } from "./road";
import type { Opened } from "./shelf";

/** A stream on which the node says nothing for so long is given up. */
const STALLED_MS = 30_000;

/** The connection broke: worth another try when there is a new one. */
export class Broken extends Error {}

/** Sends what is in `from` from `fromByte` on. */
export async function sendAll(
  bulk: Bulk, ticket: Uint8Array, from: Opened, fromByte: number, bytes: number, progress: (done: number) => void,
): Promise<UploadEnd> {
  const sending = new BulkSending(ticket, bytes - fromByte);
  try {
    await bulk.write(sending.first());
    let at = fromByte;
    while (!sending.isDone()) {
      const wants = sending.wants();
      if (wants === 0) {
        sending.heard(await heard(bulk));
        progress(fromByte + sending.taken());
        continue;
      }
      const chunk = new Uint8Array(wants);
      if (from.read(chunk, { at }) !== wants) return { kind: "lost" };
      at += wants;
      await bulk.write(sending.chunk(chunk));
    }
    return { kind: "taken" };
  } catch (error) {
    return refusal(error) ?? { kind: "broken" };
  } finally {
    sending.free();
    bulk.close();
  }
}

/** Fetches into `to` from `fromByte` on. Rejects with `Broken`, or with what the node refused it for. */
export async function fetchAll(
  bulk: Bulk, ticket: Uint8Array, to: Opened, fromByte: number, bytes: number, progress: (done: number) => void,
): Promise<void> {
  const receiving = new BulkReceiving(ticket, bytes - fromByte);
  try {
    await bulk.write(receiving.first());
    let at = fromByte;
    while (!receiving.isDone()) {
      const content = receiving.heard(await heard(bulk));
      to.write(content, { at });
      at += content.length;
      progress(at);
      const tell = receiving.tell();
      if (tell) await bulk.write(tell);
    }
    to.flush();
  } finally {
    receiving.free();
    bulk.close();
  }
}

async function heard(bulk: Bulk): Promise<Uint8Array> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stalled = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), STALLED_MS);
  });
  const bytes = await Promise.race([bulk.read(), stalled]);
  clearTimeout(timer);
  if (bytes === null) throw new Broken("the connection broke");
  return bytes;
}

function refusal(error: unknown): UploadEnd | null {
  const { number, message } = error as Failed;
  return number === undefined ? null : { kind: "refused", number, message };
}
