// Of which announcements the person has taken note. The node knows; here it is remembered, so that a message is asked for once and not each time it is scrolled by.
import type { Device, Message, MessageId } from "../device/contract";

/** Messages remembered. The one learned of least recently is dropped; it is asked for again when it is shown again. */
const KEPT_MAX = 1_000;

interface Known {
  /** When; null: not yet. */
  atMs: number | null;
  /** Asking failed: to be asked again. */
  failed: boolean;
}

export class Confirmations {
  private kept = new Map<MessageId, Known>();
  private asking = new Set<MessageId>();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly device: Pick<Device, "confirm" | "confirmations" | "view">) {}

  readonly subscribe = (changed: () => void): (() => void) => {
    this.listeners.add(changed);
    return () => this.listeners.delete(changed);
  };

  /** When the person took note; null: not as far as is known; undefined: not asked yet. */
  get(message: MessageId): number | null | undefined {
    return this.kept.get(message)?.atMs;
  }

  /** Asks the node, unless it has said so already. */
  async ask({ conversation, id, seq }: Message): Promise<void> {
    const { kept, asking } = this;
    if (kept.get(id)?.failed === false || asking.has(id)) return;
    asking.add(id);
    let known: Known = { atMs: null, failed: true };
    try {
      const found = await this.device.confirmations(conversation, seq);
      const own = found.find(({ account }) => account === this.device.view().me);
      known = { atMs: own?.atMs ?? null, failed: false };
    } catch (error) {
      // The button stays, and pressing it a second time is harmless.
      console.debug("confirmations:", error);
    }
    asking.delete(id);
    // Meanwhile the person may have taken note.
    if (typeof kept.get(id)?.atMs !== "number") this.put(kept, id, known);
  }

  async confirm({ conversation, id, seq }: Message): Promise<void> {
    const { kept } = this;
    await this.device.confirm(conversation, seq);
    this.put(kept, id, { atMs: Date.now(), failed: false });
  }

  /** Forgets everything, for signing out. An answer that is still on its way goes to what is forgotten. */
  clear(): void {
    this.kept = new Map();
    this.asking = new Set();
    this.tell();
  }

  private put(kept: Map<MessageId, Known>, message: MessageId, known: Known): void {
    kept.delete(message);
    kept.set(message, known);
    const [oldest] = kept.keys();
    if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
    this.tell();
  }

  private tell(): void {
    for (const changed of this.listeners) changed();
  }
}
