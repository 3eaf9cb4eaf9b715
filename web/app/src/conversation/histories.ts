// The histories that have been on screen, kept up to date while others are looked at, so that going back to a conversation shows it at once.
import type { ConversationId, Device, Message, MessageId } from "../device/contract";
import { merge, NOTHING, prepend, without, type History } from "./history";

const FIRST_PAGE = 80;
const OLDER_PAGE = 120;
/** A first page that holds everything unread may be this long. */
const FIRST_PAGE_MAX = 400;
/** Conversations kept. The one least recently opened is dropped; it is loaded again when it is opened. */
const KEPT_MAX = 16;

export class Histories {
  private readonly kept = new Map<ConversationId, History>();
  /** News that came while a page was on its way. */
  private readonly meanwhile = new Map<ConversationId, Message[]>();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly device: Device) {
    device.onMessage((message) => this.news(message));
    device.onDropped((conversation, message) => this.drop(conversation, message));
  }

  readonly subscribe = (changed: () => void): (() => void) => {
    this.listeners.add(changed);
    return () => this.listeners.delete(changed);
  };

  get(conversation: ConversationId): History {
    return this.kept.get(conversation) ?? NOTHING;
  }

  /** Loads the newest page, unless it is there already. */
  async open(conversation: ConversationId, unread: number): Promise<void> {
    const known = this.kept.get(conversation);
    if (known && known.state !== "failed") {
      // Moves it to the young end.
      this.kept.delete(conversation);
      this.kept.set(conversation, known);
      return;
    }
    const limit = Math.min(FIRST_PAGE_MAX, Math.max(FIRST_PAGE, unread + FIRST_PAGE / 4));
    await this.load(conversation, { messages: known?.messages ?? [], more: false, state: "loading" }, null, limit);
    this.evict();
  }

  async older(conversation: ConversationId): Promise<void> {
    const known = this.get(conversation);
    const oldest = known.messages[0];
    if (!oldest || !known.more || known.state === "loading") return;
    await this.load(conversation, { ...known, state: "loading" }, oldest.id, OLDER_PAGE);
  }

  private drop(conversation: ConversationId, message: MessageId): void {
    const known = this.kept.get(conversation);
    const waiting = this.meanwhile.get(conversation);
    if (waiting) this.meanwhile.set(conversation, waiting.filter(({ id }) => id !== message));
    if (known) this.put(conversation, { ...known, messages: without(known.messages, message) });
  }

  /** Forgets everything, for signing out. */
  clear(): void {
    this.kept.clear();
    this.meanwhile.clear();
    this.tell();
  }

  private async load(conversation: ConversationId, loading: History, before: MessageId | null, limit: number): Promise<void> {
    this.put(conversation, loading);
    const page = await this.device.history(conversation, before, limit).catch(() => null);
    const now = this.kept.get(conversation);
    const late = this.meanwhile.get(conversation) ?? [];
    this.meanwhile.delete(conversation);
    if (!now) return;
    if (page === null) return this.put(conversation, { ...now, state: "failed" });
    // What came meanwhile is newer than the page's own copy of it.
    this.put(conversation, { messages: late.reduce(merge, prepend(now.messages, page.messages)), more: page.more, state: "ready" });
  }

  private news(message: Message): void {
    const known = this.kept.get(message.conversation);
    if (!known) return;
    if (known.state === "loading") {
      const waiting = this.meanwhile.get(message.conversation) ?? [];
      this.meanwhile.set(message.conversation, [...waiting, message]);
    }
    this.put(message.conversation, { ...known, messages: merge(known.messages, message) });
  }

  private evict(): void {
    for (const conversation of this.kept.keys()) {
      if (this.kept.size <= KEPT_MAX) return;
      this.kept.delete(conversation);
    }
  }

  private put(conversation: ConversationId, history: History): void {
    this.kept.set(conversation, history);
    this.tell();
  }

  private tell(): void {
    for (const changed of this.listeners) changed();
  }
}
