// The contents of files that are on screen, under addresses which the page can show. Fetching and decrypting is the worker's; here it is asked once for each
// message, and addresses are given back: one that is never revoked keeps its content in memory until the page goes.
import type { Device, Message, MessageId } from "../device/contract";
import { shownType } from "./kind";

export type Content =
  /** `stopped`: somebody cancelled it, so it does not begin again by itself. */
  | { state: "absent"; stopped: boolean }
  | { state: "coming" }
  | { state: "here"; url: string; content: Blob }
  | { state: "failed"; failure: unknown };

/** Contents kept that nothing on screen shows; those let go longest ago are dropped first. */
const IDLE_MAX = 24;
const IDLE_BYTES_MAX = 64_000_000;

const ABSENT: Content = { state: "absent", stopped: false };
const STOPPED: Content = { state: "absent", stopped: true };
const COMING: Content = { state: "coming" };

export class Contents {
  /** In the order in which they were let go; the young end is last. */
  private readonly kept = new Map<MessageId, Content>();
  private readonly coming = new Map<MessageId, Promise<Blob>>();
  private readonly holders = new Map<MessageId, number>();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly device: Pick<Device, "openFile">) {}

  readonly subscribe = (changed: () => void): (() => void) => {
    this.listeners.add(changed);
    return () => this.listeners.delete(changed);
  };

  get(message: MessageId): Content {
    return this.kept.get(message) ?? ABSENT;
  }

  /** Something on screen shows it. The function that is returned lets it go. */
  hold(message: MessageId): () => void {
    this.holders.set(message, (this.holders.get(message) ?? 0) + 1);
    return () => this.letGo(message);
  }

  /** The content of a file's message; rejects as `Device.openFile` does. */
  open(message: Message): Promise<Blob> {
    const known = this.get(message.id);
    if (known.state === "here") return Promise.resolve(known.content);
    const asked = this.coming.get(message.id);
    if (asked) return asked;
    const opened = this.fetch(message).finally(() => this.coming.delete(message.id));
    this.coming.set(message.id, opened);
    return opened;
  }

  private async fetch(message: Message): Promise<Blob> {
    this.put(message.id, COMING);
    try {
      const content = await this.device.openFile(message.conversation, message.id);
      const type = message.body.kind === "file" ? shownType(message.body.file.mime) : null;
      // What can only be saved gets no address.
      if (type === null) this.put(message.id, ABSENT);
      else this.put(message.id, { state: "here", url: URL.createObjectURL(content.slice(0, content.size, type)), content });
      this.evict();
      return content;
    } catch (failure) {
      const cancelled = failure instanceof Error && "code" in failure && failure.code === "cancelled";
      this.put(message.id, cancelled ? STOPPED : { state: "failed", failure });
      throw failure;
    }
  }

  private letGo(message: MessageId): void {
    const left = (this.holders.get(message) ?? 1) - 1;
    if (left > 0) return void this.holders.set(message, left);
    this.holders.delete(message);
    const content = this.kept.get(message);
    if (!content) return;
    this.kept.delete(message);
    this.kept.set(message, content);
    this.evict();
  }

  private evict(): void {
    const idle = [...this.kept].filter(([message, content]) => content.state !== "coming" && !this.holders.has(message));
    let bytes = idle.reduce((sum, [, content]) => sum + (content.state === "here" ? content.content.size : 0), 0);
    let count = idle.length;
    for (const [message, content] of idle) {
      if (count <= IDLE_MAX && bytes <= IDLE_BYTES_MAX) return;
      if (content.state === "here") {
        URL.revokeObjectURL(content.url);
        bytes -= content.content.size;
      }
      this.kept.delete(message);
      count -= 1;
    }
  }

  private put(message: MessageId, content: Content): void {
    if (content === ABSENT) this.kept.delete(message);
    else this.kept.set(message, content);
    for (const changed of this.listeners) changed();
  }
}
