// Files of this device: sealed onto the shelf before they leave, fetched onto it, opened from it. Keys and ciphertexts stay in the worker; a tab gets
// a file's content as a Blob.
import { FileOpener, FileSealer, sealedBytes } from "../engine/pkg/engine";
import type { ConversationId, FileAbout, MessageId, Transfer } from "../device/contract";
import type { EngineAsk, Failed, Output, Reply, StoredFile, UploadEnd } from "../engine/outputs";
import type { Bulk } from "./road";
import type { Shelf } from "./shelf";
import { Broken, fetchAll, sendAll } from "./transfers";

/** As in the core: bytes of content in each sealed piece, and by how many the sealed one is longer. */
const PIECE_BYTES = 64 * 1024;
const TAG_BYTES = 16;

/** Files fetched at once; the others wait. */
const FETCHES_AT_ONCE = 3;

/** How often a tab hears how far a file is. */
const PROGRESS_EVERY_MS = 250;

/** A pause before a fetch whose connection broke is begun again. */
const FETCH_AGAIN_MS = 1_000;

/** What the leader lends. */
export interface Hands {
  engine(ask: EngineAsk): Promise<Reply>;
  /** A bulk stream of the present connection; rejects when there is none. */
  bulk(): Promise<Bulk>;
  /** Resolves once the node is reachable. */
  online(): Promise<void>;
  isOnline(): boolean;
  progress(message: MessageId, transfer: Transfer | null): void;
}

interface Fetch {
  content: Promise<Blob>;
  cancelled: AbortController;
}

export class Files {
  private readonly fetches = new Map<MessageId, Fetch>();
  private readonly waiting: (() => void)[] = [];
  private fetching = 0;
  private readonly told = new Map<MessageId, number>();

  constructor(
    private readonly shelf: Shelf,
    private readonly hands: Hands,
  ) {}

  /** Files that an earlier run left waiting. */
  restore(waiting: { message: MessageId; file: StoredFile }[]): void {
    for (const { message, file } of waiting) this.waits(message, file);
  }

  /** Seals a content under a fresh key; what its message says of it. */
  async seal(message: MessageId, content: Blob, about: FileAbout): Promise<StoredFile> {
    const sealer = new FileSealer(content.size);
    const attachment = sealer.attachment();
    this.shelf.pin(attachment);
    try {
      await this.shelf.makeRoom(sealedBytes(content.size));
      await this.shelf.with(attachment, async (out) => {
        let at = 0;
        for (let from = 0; from === 0 || from < content.size; from += PIECE_BYTES) {
          const piece = await content.slice(from, from + PIECE_BYTES).arrayBuffer();
          const sealed = sealer.seal(new Uint8Array(piece));
          out.write(sealed, { at });
          at += sealed.length;
        }
        out.flush();
      });
    } catch (error) {
      await this.shelf.remove(attachment);
      throw error instanceof DOMException && error.name === "QuotaExceededError"
        ? ({ code: "storage", message: "this browser has no room for the file" } satisfies Failed)
        : error;
    }
    const { thumbnail, ...rest } = about;
    const file = { ...rest, ...(sealer.finish() as Sealed), bytes: content.size, thumbnail: base64(thumbnail) };
    this.waits(message, file);
    return file;
  }

  /** Moves what the engine ordered. */
  async upload({ message, attachment, ticket, fromByte, sealedBytes: bytes }: UploadOrder): Promise<UploadEnd> {
    const progress = (done: number) => this.tell(message, { direction: "up", done, bytes, waiting: false });
    progress(fromByte);
    if ((await this.shelf.size(attachment)) !== bytes) return { kind: "lost" };
    const bulk = await this.hands.bulk().catch(() => null);
    const end: UploadEnd = bulk === null
      ? { kind: "broken" }
      : await this.shelf.with(attachment, (opened) => sendAll(bulk, ticket, opened, fromByte, bytes, progress));
    if (end.kind === "broken") this.tell(message, { direction: "up", done: fromByte, bytes, waiting: true }, true);
    return end;
  }

  /** An own file's message has left, or never will. */
  settled(message: MessageId, file: StoredFile): void {
    this.shelf.unpin(file.attachment);
    this.done(message);
  }

  async has(file: StoredFile): Promise<boolean> {
    return (await this.shelf.size(file.attachment)) === sealedBytes(file.bytes);
  }

  /** The content, fetched unless it is here. Asked twice, it is fetched once. */
  open(conversation: ConversationId, message: MessageId, file: StoredFile): Promise<Blob> {
    const under = this.fetches.get(message);
    if (under) return under.content;
    const cancelled = new AbortController();
    const content = this.bring(conversation, message, file, cancelled.signal).finally(() => {
      this.fetches.delete(message);
      this.done(message);
    });
    this.fetches.set(message, { content, cancelled });
    return content;
  }

  /** Whether there was something to stop. */
  cancel(message: MessageId): boolean {
    const under = this.fetches.get(message);
    under?.cancelled.abort();
    return under !== undefined;
  }

  cancelAll(): void {
    for (const message of this.fetches.keys()) this.cancel(message);
  }

  remove(file: StoredFile): Promise<void> {
    return this.shelf.remove(file.attachment);
  }

  private waits(message: MessageId, file: StoredFile): void {
    this.shelf.pin(file.attachment);
    const bytes = sealedBytes(file.bytes);
    this.tell(message, { direction: "up", done: 0, bytes, waiting: !this.hands.isOnline() }, true);
  }

  private async bring(conversation: ConversationId, message: MessageId, file: StoredFile, cancelled: AbortSignal): Promise<Blob> {
    if (!(await this.has(file))) await this.fetch(conversation, message, file, cancelled);
    try {
      return await this.unseal(file);
    } catch (error) {
      // Damaged here or at the node: the next time it is fetched anew.
      await this.shelf.remove(file.attachment);
      throw error;
    }
  }

  private async fetch(conversation: ConversationId, message: MessageId, file: StoredFile, cancelled: AbortSignal): Promise<void> {
    const bytes = sealedBytes(file.bytes);
    const show = (done: number, waiting: boolean) => this.tell(message, { direction: "down", done, bytes, waiting }, waiting);
    await this.place(cancelled);
    try {
      await this.shelf.makeRoom(bytes);
      for (;;) {
        show(await this.shelf.size(file.attachment), !this.hands.isOnline());
        await orCancelled(this.hands.online(), cancelled);
        try {
          return await this.fetchOnce(conversation, file, bytes, cancelled, (done) => show(done, false));
        } catch (error) {
          stopIf(cancelled);
          if (!(error instanceof Broken) && (error as Failed).code !== "offline") throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, FETCH_AGAIN_MS));
      }
    } finally {
      this.fetching -= 1;
      this.waiting.shift()?.();
    }
  }

  private fetchOnce(
    conversation: ConversationId, file: StoredFile, bytes: number, cancelled: AbortSignal, progress: (done: number) => void,
  ): Promise<void> {
    return this.shelf.with(file.attachment, async (opened) => {
      if (opened.getSize() > bytes) opened.truncate(0);
      const fromByte = opened.getSize();
      const reply = await this.hands.engine({ kind: "openDownload", conversation, attachment: file.attachment, fromByte });
      if (reply.kind !== "download") throw { code: "engine", message: "another answer to a download" } satisfies Failed;
      const bulk = await this.hands.bulk().catch((error: unknown) => {
        throw new Broken(String(error));
      });
      cancelled.addEventListener("abort", () => bulk.close(), { once: true });
      await fetchAll(bulk, reply.ticket, opened, fromByte, bytes, progress);
    });
  }

  private unseal(file: StoredFile): Promise<Blob> {
    return this.shelf.with(file.attachment, (opened) => {
      const opener = new FileOpener(file.key, file.bytes, file.sealedSha256);
      const pieces: BlobPart[] = [];
      const bytes = sealedBytes(file.bytes);
      for (let at = 0; at < bytes; at += PIECE_BYTES + TAG_BYTES) {
        const sealed = new Uint8Array(Math.min(PIECE_BYTES + TAG_BYTES, bytes - at));
        opened.read(sealed, { at });
        pieces.push(opener.open(sealed) as Uint8Array<ArrayBuffer>);
      }
      opener.finish();
      return new Blob(pieces);
    });
  }

  /** Waits for one of the places; it is given back by `fetch`. */
  private async place(cancelled: AbortSignal): Promise<void> {
    if (this.fetching >= FETCHES_AT_ONCE) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.fetching += 1;
    if (cancelled.aborted) {
      this.fetching -= 1;
      this.waiting.shift()?.();
      stopIf(cancelled);
    }
  }

  private tell(message: MessageId, transfer: Transfer, atOnce = false): void {
    const now = Date.now();
    if (!atOnce && transfer.done < transfer.bytes && now - (this.told.get(message) ?? 0) < PROGRESS_EVERY_MS) return;
    this.told.set(message, now);
    this.hands.progress(message, transfer);
  }

  private done(message: MessageId): void {
    this.told.delete(message);
    this.hands.progress(message, null);
  }
}

interface Sealed {
  attachment: string;
  key: string;
  sealedSha256: string;
}

type UploadOrder = Extract<Output, { kind: "upload" }>;

function stopIf(cancelled: AbortSignal): void {
  if (cancelled.aborted) throw { code: "cancelled", message: "stopped" } satisfies Failed;
}

async function orCancelled(wait: Promise<void>, cancelled: AbortSignal): Promise<void> {
  stopIf(cancelled);
  await Promise.race([wait, new Promise((resolve) => cancelled.addEventListener("abort", resolve, { once: true }))]);
  stopIf(cancelled);
}

function base64(bytes: Uint8Array | null): string {
  return bytes === null ? "" : btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
