// The worker that has the engine: inputs in, outputs performed strictly in their order. It decides nothing about messages; `client::session` is its
// native twin. Nothing of a connection is trusted: the engine reads every byte.
import { Device } from "../engine/pkg/engine";
import type { ConversationId, Message } from "../device/contract";
import type { EngineAsk, Failed, Output, Reply, Saved, ShownConversation, ShownEvent, StoredFile, StoredIdentity } from "../engine/outputs";
import { Becoming } from "./becoming";
import { Broadcasts } from "./broadcasts";
import type { AskMessage, AskName, Asks, Patch, Told } from "./channel";
import { tabLock } from "./channel";
import { Database } from "./database";
import { Files } from "./files";
import { Line } from "./line";
import { Model } from "./model";
import { Shelf } from "./shelf";
import { Typing } from "./typing";

/** News that may come of a call before the answer that names it: it rings, is accepted, is over. */
const EARLY_MAX = 8;

interface Waiting {
  resolve(reply: Reply): void;
  reject(failed: Failed): void;
}

export class Leader {
  private readonly model = new Model();
  private device: Device | null = null;
  private wake: ReturnType<typeof setTimeout> | undefined;
  private performing = false;
  /** An input came since the engine was last drained. */
  private more = false;
  private readonly waiting = new Map<number, Waiting>();
  private nextToken = 1;
  private counters: Record<string, number> = {};
  private readonly touched = new Set<ConversationId>();
  private accountsTouched = false;
  private callsTouched = false;
  /** News of a call that is being started, whose id is not known here yet. */
  private early: Extract<ShownEvent, { kind: "call-state" }>[] | null = null;
  /** The tab that has the call's media. */
  private callTab: string | null = null;

  private readonly line = new Line({
    wanted: () => this.device !== null || this.becoming.linking,
    stands: (part) => {
      this.model.connection(part);
      this.show();
    },
    opened: () => {
      if (!this.becoming.opened()) this.device?.opened();
      this.perform();
    },
    bytes: (bytes) => {
      if (!this.becoming.received(bytes)) this.device?.received(Date.now(), bytes);
      this.perform();
    },
    closed: () => {
      this.device?.closed(Date.now());
      this.perform();
    },
  });
  private readonly becoming: Becoming;
  private readonly files: Files;
  private readonly broadcasts: Broadcasts;
  private readonly typing = new Typing((conversation, account, typing) => {
    this.model.typing(conversation, account, typing);
    this.show();
  });
  private readonly whenOnline = new Set<() => void>();

  constructor(
    private readonly database: Database,
    shelf: Shelf,
    private readonly tell: (told: Told) => void,
  ) {
    this.becoming = new Becoming(database, this.model, this.line, {
      isDevice: () => this.device !== null,
      open: (identity) => this.open(identity),
      close: () => {
        this.device = null;
      },
      revoke: (device) => this.engine({ kind: "revokeDevice", device }),
      wiping: () => {
        clearTimeout(this.wake);
        this.files.cancelAll();
        this.broadcasts.clear();
      },
      show: () => this.show(),
    });
    this.broadcasts = new Broadcasts(this.model, database, {
      engine: (ask) => this.engine(ask),
      me: () => this.model.whole().view?.me ?? null,
      own: () => this.model.whole().view?.device ?? null,
      show: () => this.show(),
    });
    this.files = new Files(shelf, {
      engine: (ask) => this.engine(ask),
      bulk: () => this.line.bulk(),
      online: () => (this.isOnline() ? Promise.resolve() : new Promise((resolve) => this.whenOnline.add(resolve))),
      isOnline: () => this.isOnline(),
      progress: (message, transfer) => {
        this.model.transfer(message, transfer);
        this.show();
      },
    });
  }

  private isOnline(): boolean {
    return this.model.whole().view?.connection?.state === "online";
  }

  async start(): Promise<void> {
    const identity = await this.database.identity();
    // One that was never taken by the node waits for its code to be given again.
    if (identity?.enrolled) await this.open(identity);
    else this.model.set({ phase: "signed-out" });
    const persisted = await navigator.storage?.persisted?.();
    this.model.set({ storagePersistent: persisted ?? null });
    self.addEventListener("online", () => this.networkChanged());
    self.addEventListener("offline", () => this.line.close());
    this.show();
  }

  whole(): Patch {
    return this.model.whole();
  }

  networkChanged(): void {
    this.line.networkChanged();
  }

  /** Answers a tab. */
  async ask(ask: AskMessage): Promise<unknown> {
    try {
      return await this.answer(ask.name, ask.args, ask.tab);
    } finally {
      this.show();
    }
  }

  private answer<N extends AskName>(name: N, args: Asks[N], tab: string): Promise<unknown> {
    const own = this.own[name] as ((args: Asks[N], tab: string) => unknown) | undefined;
    return own ? Promise.resolve(own(args, tab)) : this.passOn({ kind: name, ...args } as unknown as EngineAsk);
  }

  /** Everything that is not the engine's alone. */
  private readonly own: { [N in AskName]?: (args: Asks[N], tab: string) => unknown } = {
    enrol: ({ code }) => this.becoming.enrol(code),
    beginLink: () => this.becoming.beginLink(),
    cancelLink: () => this.becoming.cancelLink(),
    signOut: () => this.becoming.signOut(),
    history: ({ conversation, before, limit }) => this.database.history(conversation, before, limit),
    message: ({ conversation, message }) => this.database.one(conversation, message),
    calls: ({ before, limit }) => this.database.calls(before, limit),
    markCallsSeen: async () => {
      await this.database.putCallsSeenMs(Date.now());
      this.model.set({ missedCalls: 0 });
    },
    discard: ({ conversation, message }) => this.discard(conversation, message),
    sendFile: async ({ conversation, message, content, about }) => {
      // Asked a second time: the first has it.
      if ((await this.database.one(conversation, message)) !== null) return message;
      const file = await this.files.seal(message, content, about);
      try {
        return await this.passOn({ kind: "sendFile", conversation, message, file });
      } catch (error) {
        this.files.settled(message, file);
        await this.files.remove(file);
        throw error;
      }
    },
    openFile: async ({ conversation, message }) => this.files.open(conversation, message, await this.file(conversation, message)),
    hasFile: async ({ conversation, message }) => this.files.has(await this.file(conversation, message)),
    cancelFile: ({ conversation, message }) => this.cancelFile(conversation, message),
    dismiss: ({ notice }) => this.model.dismiss(notice),
    safetyNumber: ({ account }) => this.here().safetyNumber(account),
    mediaEpoch: ({ call }) => {
      const conversation = this.model.call?.conversation;
      return conversation ? (this.here().mediaEpoch(conversation, call) ?? null) : null;
    },
    startCall: (args, tab) => this.startCall(args, tab),
    acceptCall: ({ call }, tab) => {
      this.watchTab(tab, call);
      return this.passOn({ kind: "acceptCall", call });
    },
    callTalks: ({ call }) => this.model.callTalks(call),
    startBroadcast: (args, tab) => this.broadcasts.start(args, tab),
    joinBroadcast: (args, tab) => this.broadcasts.join(args, tab),
    leaveBroadcast: (args) => this.broadcasts.leave(args),
  };

  /** Asks the engine, and gives what its reply holds. */
  private async passOn(ask: EngineAsk): Promise<unknown> {
    const reply = await this.engine(ask);
    switch (reply.kind) {
      case "conversation":
        await this.refresh(reply.conversation);
        return reply.conversation;
      case "message":
        return reply.message;
      case "devices":
        return reply.devices;
      case "confirmations":
        return reply.confirmations;
      case "broadcastReport":
        return reply.report;
      case "done":
        return undefined;
      default:
        return reply;
    }
  }

  private async file(conversation: ConversationId, message: string): Promise<StoredFile> {
    const file = await this.database.file(conversation, message);
    if (file === null) throw { code: "unknown", message: "there is no such file" } satisfies Failed;
    return file;
  }

  private async cancelFile(conversation: ConversationId, message: string): Promise<void> {
    if (this.files.cancel(message)) return;
    await this.passOn({ kind: "withdraw", conversation, message });
    await this.discard(conversation, message);
  }

  private async discard(conversation: ConversationId, message: string): Promise<void> {
    const file = await this.database.file(conversation, message);
    if (await this.database.discard(conversation, message)) {
      this.tell({ kind: "dropped", conversation, message });
      if (file !== null) {
        this.files.settled(message, file);
        await this.files.remove(file);
      }
    }
    await this.refresh(conversation);
  }

  private here(): Device {
    if (this.device === null) throw { code: "unknown", message: "this browser is not signed in" } satisfies Failed;
    return this.device;
  }

  private engine(ask: EngineAsk): Promise<Reply> {
    const device = this.here();
    return new Promise((resolve, reject) => {
      const token = this.nextToken++;
      this.waiting.set(token, { resolve, reject });
      device.ask(Date.now(), token, ask);
      this.perform();
    });
  }

  private async open(identity: StoredIdentity): Promise<void> {
    const saved: Saved = await this.database.load();
    this.counters = { ...saved.counters };
    const seed = crypto.getRandomValues(new Uint8Array(32));
    this.device = Device.open(identity, saved, seed, location.origin);
    this.model.set({ me: identity.account, device: identity.device, linkCode: null, ended: null });
    if (identity.enrolled) this.model.set({ phase: "open" });
    this.accountsTouched = true;
    const files = saved.outbox.flatMap(([, { id, body }]) => (body.kind === "file" ? [{ message: id, file: body.file }] : []));
    this.files.restore(files);
    this.callsTouched = true;
    for (const { id } of saved.conversations) this.touched.add(id);
    await this.refreshTouched();
    this.line.connect();
  }

  // ---- outputs ----

  /** Drains the engine. Called after every input; one at a time performs, and goes on until nothing is left of what came meanwhile. */
  private perform(): void {
    this.more = true;
    if (this.performing) return;
    this.performing = true;
    void (async () => {
      try {
        while (this.more) {
          this.more = false;
          for (let output = this.poll(); output !== undefined; output = this.poll()) await this.output(output);
          await this.refreshTouched();
          this.show();
        }
      } catch (error) {
        // Going on would send what a crash could not repeat.
        this.line.stop();
        this.model.set({ phase: "ended", ended: `storage: the state of this browser cannot be stored: ${String(error)}` });
      } finally {
        this.performing = false;
        this.show();
      }
    })();
  }

  private poll(): Output | undefined {
    return (this.becoming.poll() ?? this.device?.poll()) as Output | undefined;
  }

  private async output(output: Output): Promise<void> {
    switch (output.kind) {
      case "persist": {
        const { changes } = output;
        Object.assign(this.counters, changes.counters);
        await this.database.apply(changes, this.counters);
        for (const { id } of changes.conversations) this.touched.add(id);
        // Read in its conversation, a missed call is seen.
        this.callsTouched ||= this.model.missedCalls > 0 && changes.conversations.length > 0;
        for (const id of changes.forgotten) this.model.forget(id);
        for (const { id, conversation } of changes.history) await this.message(conversation, id);
        break;
      }
      case "send":
        this.line.send(output.bytes);
        break;
      case "upload":
        // Beside everything else.
        void this.files.upload(output).then((end) => {
          this.device?.uploadEnded(Date.now(), output.attachment, end);
          this.perform();
        });
        break;
      case "event":
        await this.event(output.event);
        break;
      case "done": {
        const waiting = this.waiting.get(output.token);
        this.waiting.delete(output.token);
        if (output.failed !== null) waiting?.reject(output.failed);
        else waiting?.resolve(output.reply ?? { kind: "done" });
        break;
      }
      case "wakeAt":
        clearTimeout(this.wake);
        this.wake = setTimeout(() => {
          this.device?.tick(Date.now());
          this.perform();
        }, Math.max(0, output.ms - Date.now()));
        break;
      case "signedIn":
        this.line.settled();
        this.model.connection({ state: "online" });
        for (const resolve of this.whenOnline) resolve();
        this.whenOnline.clear();
        break;
      case "enrolled":
        await this.becoming.enrolled();
        break;
      case "linked":
        await this.becoming.linked(output.identity, output.saved);
        break;
      case "close":
        await this.becoming.refused(output.failed, output.last);
        break;
    }
  }

  private async message(conversation: ConversationId, id: string): Promise<void> {
    const message = await this.database.one(conversation, id);
    if (message === null) return;
    const file = message.body.kind === "file" && message.state !== "sending" ? await this.database.file(conversation, id) : null;
    if (file !== null) this.files.settled(id, file);
    this.model.message(message);
    this.typing.told(conversation, message.sender, false);
    this.touched.add(conversation);
    this.callsTouched ||= message.body.kind === "call";
    if (message.body.kind === "broadcast") this.broadcasts.titled(message.body);
    this.tell({ kind: "message", message });
  }

  private async event(event: ShownEvent): Promise<void> {
    this.model.event(event);
    switch (event.kind) {
      case "ready":
        this.model.connection({ level: true });
        break;
      case "conversation":
      case "members-changed":
      case "receipt":
        this.touched.add(event.conversation);
        break;
      case "typing":
        this.typing.told(event.conversation, event.account, event.typing);
        break;
      case "directory":
        this.accountsTouched = true;
        break;
      case "message-failed":
        await this.database.failed(event.message, event.error);
        await this.message(event.conversation, event.message);
        break;
      case "incoming-call":
        if (this.model.call === null || this.model.call.state === "ended") {
          this.model.startCall({
            id: event.call, conversation: event.conversation, peer: event.caller, direction: "incoming", state: "ringing", video: event.video,
          });
          void this.engine({ kind: "reportRinging", call: event.call }).catch(() => undefined);
        }
        break;
      case "call-state":
        if (this.early !== null && event.call !== this.model.call?.id) {
          if (this.early.length < EARLY_MAX) this.early.push(event);
          break;
        }
        this.model.callState(event.call, event.state, event.end, event.talkedMs);
        if (event.state === "ended") this.callTab = null;
        break;
      case "broadcast":
        this.broadcasts.told(event);
        break;
      case "media-epoch-changed": {
        const epoch = this.device?.mediaEpoch(event.conversation, event.call);
        if (epoch) this.tell({ kind: "media-epoch", call: event.call, epoch });
        break;
      }
      case "goodbye":
        await this.becoming.refused({ code: event.code, message: event.message }, event.last);
        break;
      default:
    }
  }

  private async startCall({ conversation, offerSdp, video }: Asks["startCall"], tab: string): Promise<unknown> {
    const early = (this.early = [] as NonNullable<Leader["early"]>);
    try {
      const reply = await this.engine({ kind: "startCall", conversation, offerSdp, video });
      if (reply.kind !== "call") throw { code: "engine", message: "no call came to be" } satisfies Failed;
      const peer = this.model.conversation(conversation)?.accounts.find((account) => account !== this.model.whole().view?.me);
      this.model.startCall({ id: reply.call, conversation, peer: peer ?? "", direction: "outgoing", state: "starting", video });
      this.watchTab(tab, reply.call);
      for (const event of early.filter(({ call }) => call === reply.call)) await this.event(event);
      return reply;
    } finally {
      this.early = null;
    }
  }

  /** A tab that is closed in mid-call hangs up. */
  private watchTab(tab: string, call: string): void {
    this.callTab = tab;
    void navigator.locks.request(tabLock(tab), () => {
      if (this.callTab !== tab || this.model.call?.id !== call || this.model.call.state === "ended") return;
      void this.engine({ kind: "hangUp", call }).catch(() => undefined);
    });
  }

  // ---- what is shown ----

  private async refreshTouched(): Promise<void> {
    const device = this.device;
    if (device === null) return;
    if (this.accountsTouched) {
      this.accountsTouched = false;
      this.model.accounts(device.accounts());
      this.model.set({ hospital: device.hospital() ?? null });
    }
    const ids = [...this.touched];
    this.touched.clear();
    for (const id of ids) await this.refresh(id);
    if (this.callsTouched) {
      this.callsTouched = false;
      // Not waited for: after an update it may have to look through the whole history first.
      this.countMissed().catch((error: unknown) => console.warn("missed calls:", error));
    }
  }

  private async countMissed(): Promise<void> {
    const readSeq = (id: ConversationId) => this.model.conversation(id)?.readSeq ?? 0;
    const missedCalls = await this.database.missed(await this.database.callsSeenMs(), readSeq);
    if (missedCalls === this.model.missedCalls) return;
    this.model.set({ missedCalls });
    this.show();
  }

  private async refresh(id: ConversationId): Promise<void> {
    const shown = this.device?.conversation(id) as ShownConversation | undefined;
    // Not joined and never was: nothing to show yet.
    if (shown === undefined || (shown.membership === "joining" && shown.accounts.length === 0)) return;
    const [last, unread]: [Message | null, number] = await Promise.all([
      this.database.last(id), this.database.unread(id, shown.readSeq),
    ]);
    this.model.shown(shown, last, unread);
  }

  private show(): void {
    const patch = this.model.take();
    if (patch !== null) this.tell({ kind: "patch", patch });
  }
}
