// The broadcasts of this device's channels, and which tab of this browser takes part in which. What is decided about them the engine and the node decide.
import type { AccountId, Broadcast, BroadcastId, Body, ConversationId, DeviceId } from "../device/contract";
import type { EngineAsk, Failed, Reply, ShownEvent } from "../engine/outputs";
import { type Asks, tabLock } from "./channel";
import type { Database } from "./database";
import type { Model } from "./model";

/** How long it is still shown that, and why, one is over. */
const OVER_MS = 60_000;

/** Messages looked through at once for a title, and the clocks' difference that is allowed for. */
const PAGE = 60;
const CLOCKS_APART_MS = 600_000;

type Told = Extract<ShownEvent, { kind: "broadcast" }>;
type Notice = Extract<Body, { kind: "broadcast" }>;

export interface Around {
  engine(ask: EngineAsk): Promise<Reply>;
  me(): AccountId | null;
  own(): DeviceId | null;
  show(): void;
}

export class Broadcasts {
  private readonly all = new Map<BroadcastId, Broadcast>();
  /** The tab that has the media. */
  private readonly tabs = new Map<BroadcastId, string>();
  /** Where one is being started whose id is not known here yet. */
  private starting: ConversationId | null = null;

  constructor(
    private readonly model: Model,
    private readonly database: Database,
    private readonly around: Around,
  ) {}

  // ---- what is told ----

  told({ broadcast: id, kind: _, ...told }: Told): void {
    const known = this.all.get(id);
    this.put({ ...told, id, title: known?.title ?? null, part: null, here: false });
    if (known === undefined) void this.findTitle(id, told.conversation, told.startedAtMs);
    if (told.state !== "ended") return;
    this.tabs.delete(id);
    this.tell();
    setTimeout(() => {
      if (this.all.get(id)?.state !== "ended") return;
      this.all.delete(id);
      this.tell();
      this.around.show();
    }, OVER_MS);
  }

  /** Its message is here, which may be before or after the node has told of it. */
  titled({ broadcast: id, title }: Notice): void {
    const known = this.all.get(id);
    if (known) this.put({ ...known, title });
  }

  clear(): void {
    this.all.clear();
    this.tabs.clear();
    this.tell();
  }

  private async findTitle(id: BroadcastId, conversation: ConversationId, startedAtMs: number): Promise<void> {
    for (let before: string | null = null; ; ) {
      const { messages, more } = await this.database.history(conversation, before, PAGE);
      for (const { body } of messages) {
        if (body.kind !== "broadcast" || body.broadcast !== id) continue;
        this.titled(body);
        return this.around.show();
      }
      const [oldest] = messages;
      if (!more || !oldest || oldest.sentAtMs < startedAtMs - CLOCKS_APART_MS) return;
      before = oldest.id;
    }
  }

  // ---- what tabs do ----

  async start({ conversation, title, offerSdp }: Asks["startBroadcast"], tab: string): Promise<Reply> {
    this.starting = conversation;
    try {
      const reply = await this.around.engine({ kind: "startBroadcast", conversation, title, offerSdp });
      if (reply.kind !== "call") throw { code: "engine", message: "no broadcast came to be" } satisfies Failed;
      this.take(reply.call, tab);
      const [me, device] = [this.around.me(), this.around.own()];
      // Where both clocks agree to the millisecond, the engine has nothing new to tell of it.
      if (!this.all.has(reply.call) && me !== null && device !== null) {
        this.put({ id: reply.call, conversation, sender: me, device, startedAtMs: Date.now(), title, viewers: 0, state: "live", end: null, part: null, here: false });
      }
      return reply;
    } finally {
      this.starting = null;
      this.tell();
    }
  }

  /** Also what the tab that takes part already says for a new connection. */
  async join({ broadcast, offerSdp }: Asks["joinBroadcast"], tab: string): Promise<Reply> {
    const other = this.tabs.get(broadcast);
    if (other !== undefined && other !== tab) throw { code: "elsewhere", message: "another tab takes part in it" } satisfies Failed;
    this.take(broadcast, tab);
    for (const [id] of this.tabs) if (id !== broadcast && !this.sends(id)) void this.leave({ broadcast: id }).catch(() => undefined);
    try {
      return await this.around.engine({ kind: "joinBroadcast", broadcast, offerSdp });
    } catch (error) {
      // Who was in it tries again.
      if (other === undefined) this.drop(broadcast);
      throw error;
    }
  }

  async leave({ broadcast }: Asks["leaveBroadcast"]): Promise<void> {
    this.drop(broadcast);
    await this.around.engine({ kind: "leaveBroadcast", broadcast });
  }

  private take(id: BroadcastId, tab: string): void {
    if (this.tabs.get(id) === tab) return;
    this.tabs.set(id, tab);
    this.tell();
    // The tab is closed: a viewer has left. A sender may go on, from this browser, as long as the node waits.
    void navigator.locks.request(tabLock(tab), () => {
      if (this.tabs.get(id) !== tab) return;
      if (!this.sends(id)) void this.leave({ broadcast: id }).catch(() => undefined);
      this.drop(id);
      this.around.show();
    });
  }

  private drop(id: BroadcastId): void {
    if (this.tabs.delete(id)) this.tell();
  }

  // ---- what is shown ----

  private sends(id: BroadcastId): boolean {
    return this.all.get(id)?.device === this.around.own();
  }

  private put(broadcast: Broadcast): void {
    this.all.set(broadcast.id, broadcast);
    this.tell();
  }

  private part({ id, conversation, state }: Broadcast): Broadcast["part"] {
    if (state === "ended") return null;
    if (this.sends(id)) return this.tabs.has(id) || this.starting === conversation ? "sends" : null;
    return this.tabs.has(id) ? "watches" : null;
  }

  private tell(): void {
    const all = [...this.all.values()].map((broadcast) => ({ ...broadcast, part: this.part(broadcast) }));
    this.model.set({ broadcasts: all.sort((one, other) => other.startedAtMs - one.startedAtMs) });
  }
}
