// What the screens show, kept by the worker that has the engine, and told to every tab as patches.
import type { AccountId, Call, CallEnd, Conversation, ConversationId, Message, MessageId, Notice, Transfer, View } from "../device/contract";
import type { CallWord, ShownConversation, ShownEvent } from "../engine/outputs";
import type { Patch } from "./channel";

/** Notices kept at once; older ones go. */
const NOTICES_MAX = 50;

export const EMPTY: View = {
  phase: "loading",
  ended: null,
  linkCode: null,
  hospital: null,
  me: null,
  device: null,
  connection: { state: "offline", transport: null, fallbackReason: null, level: false, sinceMs: 0 },
  accounts: {},
  presence: {},
  conversations: [],
  notices: [],
  call: null,
  broadcasts: [],
  typing: {},
  transfers: {},
  missedCalls: 0,
  storagePersistent: null,
};

export class Model {
  private readonly conversations = new Map<ConversationId, Conversation>();
  private view: View = EMPTY;
  private pending: Patch = {};
  private nextNotice = 1;

  /** The whole view as one patch. */
  whole(): Patch {
    const { conversations: _, accounts, presence, ...view } = this.view;
    return { whole: true, view, accounts, presence, conversations: [...this.conversations.values()], order: this.order() };
  }

  /** What changed since the last call; null when nothing did. */
  take(): Patch | null {
    const patch = this.pending;
    if (Object.keys(patch).length === 0) return null;
    if (patch.conversations) patch.order = this.order();
    this.pending = {};
    return patch;
  }

  get phase(): View["phase"] {
    return this.view.phase;
  }

  get missedCalls(): number {
    return this.view.missedCalls;
  }

  get call(): Call | null {
    return this.view.call;
  }

  set(part: NonNullable<Patch["view"]>): void {
    this.view = { ...this.view, ...part };
    this.pending.view = { ...this.pending.view, ...part };
  }

  connection(part: Partial<View["connection"]>): void {
    this.set({ connection: { ...this.view.connection, ...part, sinceMs: Date.now() } });
  }

  accounts(accounts: View["accounts"][string][]): void {
    const all = Object.fromEntries(accounts.map((account) => [account.id, account]));
    this.view = { ...this.view, accounts: all };
    this.pending.accounts = all;
  }

  conversation(id: ConversationId): Conversation | undefined {
    return this.conversations.get(id);
  }

  /** From the engine and the history. */
  shown(shown: ShownConversation, last: Message | null, unread: number): void {
    const before = this.conversations.get(shown.id);
    this.put({
      id: shown.id,
      kind: shown.kind,
      title: shown.title,
      maySpeak: shown.maySpeak,
      accounts: shown.accounts,
      devices: shown.devices,
      membership: shown.membership,
      last,
      unread,
      readSeq: shown.readSeq,
      headSeq: shown.cursor,
      receipts: Object.fromEntries(shown.receipts.map(({ account, delivered, read }) => [account, { delivered, read }])),
      unreadable: before?.unreadable ?? 0,
    });
  }

  forget(id: ConversationId): void {
    this.conversations.delete(id);
    this.pending.conversations ??= [];
  }

  message(message: Message): void {
    const conversation = this.conversations.get(message.conversation);
    const last = conversation?.last;
    // An own message that waits stays the newest until its place is known.
    const newer = !last || last.id === message.id || message.seq === 0 || (last.seq > 0 && message.seq >= last.seq);
    if (conversation && newer) this.put({ ...conversation, last: message });
  }

  private put(conversation: Conversation): void {
    this.conversations.set(conversation.id, conversation);
    const changed = (this.pending.conversations ?? []).filter(({ id }) => id !== conversation.id);
    this.pending.conversations = [...changed, conversation];
  }

  notice(kind: Notice["kind"], part: Partial<Notice>): void {
    const notice: Notice = {
      id: this.nextNotice++, atMs: Date.now(), kind, account: null, device: null, conversation: null, detail: null, ...part,
    };
    this.set({ notices: [...this.view.notices, notice].slice(-NOTICES_MAX) });
  }

  dismiss(id: number): void {
    this.set({ notices: this.view.notices.filter((notice) => notice.id !== id) });
  }

  /** Events that change only what is shown. Others are the leader's. */
  event(event: ShownEvent): void {
    switch (event.kind) {
      case "unreadable": {
        const conversation = this.conversations.get(event.conversation);
        if (conversation) this.put({ ...conversation, unreadable: conversation.unreadable + event.count });
        break;
      }
      case "receipt": {
        const conversation = this.conversations.get(event.conversation);
        // In place, as presence below: a thousand come at once, and patches are copied when they leave this worker.
        if (conversation) {
          conversation.receipts[event.account] = { delivered: event.delivered, read: event.read };
          this.put(conversation);
        }
        break;
      }
      case "presence": {
        const presence = { online: event.online, lastSeenMs: event.lastSeenMs };
        if (this.view.presence === EMPTY.presence) this.view = { ...this.view, presence: {} };
        this.view.presence[event.account] = presence;
        (this.pending.presence ??= {})[event.account] = presence;
        break;
      }
      case "members-changed": {
        // A first device is how somebody comes; only a further one of somebody who is there already is news.
        const conversation = this.conversations.get(event.conversation);
        for (const { account, device } of event.added) {
          const known = conversation?.devices.some((member) => member.account === account && member.device !== device);
          if (known && account !== this.view.me) {
            this.notice("member-device-added", { account, device, conversation: event.conversation });
          }
        }
        break;
      }
      case "notice":
        this.notice(event.notice as Notice["kind"], {
          account: event.account, device: event.device, conversation: event.conversation, detail: event.detail,
        });
        break;
      default:
    }
  }

  /** Somebody writes, or does not any more. */
  typing(conversation: ConversationId, account: AccountId, typing: boolean): void {
    const { [conversation]: before = [], ...others } = this.view.typing;
    if (before.includes(account) === typing) return;
    const now = typing ? [...before, account] : before.filter((other) => other !== account);
    this.set({ typing: now.length > 0 ? { ...others, [conversation]: now } : others });
  }

  transfer(message: MessageId, transfer: Transfer | null): void {
    const { [message]: before, ...others } = this.view.transfers;
    if (transfer !== null) this.set({ transfers: { ...others, [message]: transfer } });
    else if (before !== undefined) this.set({ transfers: others });
  }

  startCall(call: Omit<Call, "here" | "end" | "talkingSinceMs" | "talkedMs">): void {
    this.set({ call: { ...call, end: null, talkingSinceMs: 0, talkedMs: 0, here: false } });
  }

  callState(id: string, word: CallWord, end: CallEnd | null, talkedMs: number): void {
    const call = this.view.call;
    if (!call || call.id !== id) return;
    const talking = { state: "talking" as const, talkingSinceMs: call.talkingSinceMs || Date.now() };
    const next: Record<CallWord, Partial<Call>> = {
      ringing: { state: call.state === "starting" ? "ringing" : call.state },
      accepted: call.state === "talking" ? {} : { state: "connecting", talkingSinceMs: Date.now() },
      "peer-lost": { state: "peer-lost" },
      "peer-resumed": talking,
      ended: { state: "ended", end: end ?? "failed", talkedMs },
    };
    this.set({ call: { ...call, ...next[word] } });
  }

  callTalks(id: string): void {
    const call = this.view.call;
    if (call?.id === id && call.state === "connecting") this.set({ call: { ...call, state: "talking" } });
  }

  private order(): ConversationId[] {
    const time = (conversation: Conversation) => conversation.last?.sentAtMs ?? 0;
    const list = [...this.conversations.values()];
    return list.sort((one, other) => time(other) - time(one) || (one.id < other.id ? -1 : 1)).map(({ id }) => id);
  }
}
