// The worker that has the engine: inputs in, outputs performed strictly in their order. It decides nothing about messages; `client::session` is its
// native twin. Nothing of a connection is trusted: the engine reads every byte.
import { Device, Link } from "../engine/pkg/engine";
import type { ConversationId, Message } from "../device/contract";
import type { EngineAsk, Failed, Output, Reply, Saved, ShownConversation, ShownEvent, StoredFile, StoredIdentity } from "../engine/outputs";
import type { AskMessage, AskName, Asks, Patch, ToTab } from "./channel";
import { tabLock } from "./channel";
import { Database } from "./database";
import { Files } from "./files";
import { Model } from "./model";
import { type Road, connect, networkChanged } from "./road";
import { Shelf } from "./shelf";
import { Typing } from "./typing";

/** First and longest wait between two attempts to connect. */
const BACK_OFF_MS = [250, 15_000] as const;

/** Longest wait for the node to take a new device. */
const ENROL_WAIT_MS = 20_000;

/** A new device that shows its code is waited for this long, as by the node. */
const LINK_WAIT_MS = 300_000;

/** News that may come of a call before the answer that names it: it rings, is accepted, is over. */
const EARLY_MAX = 8;

type Told = Extract<ToTab, { kind: "patch" | "message" | "media-epoch" }>;

interface Waiting {
  resolve(reply: Reply): void;
  reject(failed: Failed): void;
}

export class Leader {
  private readonly model = new Model();
  private device: Device | null = null;
  private link: Link | null = null;
  private road: Road | null = null;
  private connecting = false;
  private backOffMs: number = BACK_OFF_MS[0];
  private retry: ReturnType<typeof setTimeout> | undefined;
  private wake: ReturnType<typeof setTimeout> | undefined;
  private linkTimeout: ReturnType<typeof setTimeout> | undefined;
  private performing = false;
  /** An input came since the engine was last drained. */
  private more = false;
  private readonly waiting = new Map<number, Waiting>();
  private nextToken = 1;
  private counters: Record<string, number> = {};
  private readonly touched = new Set<ConversationId>();
  private accountsTouched = false;
  private callsTouched = false;
  private over = false;
  private enrolling: { resolve(): void; reject(failed: Failed): void } | null = null;
  /** News of a call that is being started, whose id is not known here yet. */
  private early: Extract<ShownEvent, { kind: "call-state" }>[] | null = null;
  /** The tab that has the call's media. */
  private callTab: string | null = null;

  private readonly files: Files;
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
    this.files = new Files(shelf, {
      engine: (ask) => this.engine(ask),
      bulk: () => this.road?.bulk() ?? Promise.reject(new Error("not connected")),
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
    self.addEventListener("offline", () => this.road?.close());
    this.show();
  }

  whole(): Patch {
    return this.model.whole();
  }

  networkChanged(): void {
    networkChanged();
    this.backOffMs = BACK_OFF_MS[0];
    this.connect();
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
    enrol: ({ code }) => this.enrol(code),
    beginLink: () => this.beginLink(),
    cancelLink: () => this.endLink("signed-out"),
    signOut: () => this.signOut(),
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
    if ((await this.database.discard(conversation, message)) && file !== null) {
      this.files.settled(message, file);
      await this.files.remove(file);
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

  // ---- becoming a device ----

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
    this.connect();
  }

  private async enrol(code: string): Promise<void> {
    if (this.device !== null) throw { code: "code", message: "this browser is signed in already" } satisfies Failed;
    this.endLink("signed-out");
    const invited = Device.invited(code, Date.now()) as StoredIdentity;
    // An earlier attempt whose answer was lost left a device here: the node takes the same one again.
    const left = await this.database.identity();
    const identity = left && left.account === invited.account && left.root === invited.root ? left : invited;
    // Stored before it is presented, for the same reason.
    await this.database.putIdentity(identity, null);
    const enrolled = new Promise<void>((resolve, reject) => {
      this.enrolling = { resolve, reject };
    });
    const timeout = setTimeout(() => {
      this.enrolling?.reject({ code: "offline", message: "the node does not answer: check the network and try again" });
      this.enrolling = null;
      this.road?.close();
      this.device = null;
    }, ENROL_WAIT_MS);
    await this.open(identity);
    return enrolled.finally(() => clearTimeout(timeout));
  }

  private beginLink(): void {
    if (this.device !== null) throw { code: "code", message: "this browser is signed in already" } satisfies Failed;
    this.link = new Link(location.origin);
    this.model.set({ phase: "linking", linkCode: this.link.code(), ended: null });
    this.linkTimeout = setTimeout(() => {
      this.endLink("signed-out");
      this.show();
    }, LINK_WAIT_MS);
    this.connect();
  }

  private endLink(phase: "signed-out" | "open"): void {
    clearTimeout(this.linkTimeout);
    if (this.link === null) return;
    this.link = null;
    this.road?.close();
    this.model.set({ phase, linkCode: null });
  }

  private async signOut(): Promise<void> {
    const device = this.device;
    const own = this.model.whole().view?.device;
    if (device !== null && this.road !== null && own) {
      // Told the node if it is there; the wiping does not depend on it.
      const revoked = this.engine({ kind: "revokeDevice", device: own }).catch(() => undefined);
      await Promise.race([revoked, new Promise((resolve) => setTimeout(resolve, 3_000))]);
    }
    this.over = true;
    this.road?.close();
    clearTimeout(this.retry);
    clearTimeout(this.wake);
    this.files.cancelAll();
    await Database.wipe(this.database);
    await Shelf.wipe();
    this.device = null;
    this.model.set({ phase: "signed-out", me: null, device: null });
  }

  // ---- the connection ----

  private connect(): void {
    if (this.over || this.connecting || this.road !== null || (this.device === null && this.link === null)) return;
    clearTimeout(this.retry);
    this.connecting = true;
    this.model.connection({ state: "connecting", level: false });
    this.show();
    connect({
      bytes: (bytes) => {
        if (this.link !== null) this.link.received(bytes);
        else this.device?.received(Date.now(), bytes);
        this.perform();
      },
      closed: () => {
        this.road = null;
        this.device?.closed(Date.now());
        this.model.connection({ state: "offline", transport: null, level: false });
        this.perform();
        this.later();
      },
    }).then(
      (road) => {
        this.connecting = false;
        this.road = road;
        this.model.connection({ transport: road.kind, fallbackReason: road.fallbackReason });
        if (this.link !== null) this.link.opened();
        else this.device?.opened();
        this.perform();
      },
      () => {
        this.connecting = false;
        this.model.connection({ state: "offline", transport: null });
        this.show();
        this.later();
      },
    );
  }

  private later(): void {
    if (this.over) return;
    clearTimeout(this.retry);
    // Between half of it and all, so that a restarted node is not met by everybody at once.
    this.retry = setTimeout(() => this.connect(), this.backOffMs * (0.5 + Math.random() / 2));
    this.backOffMs = Math.min(this.backOffMs * 2, BACK_OFF_MS[1]);
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
        this.over = true;
        this.road?.close();
        this.model.set({ phase: "ended", ended: `The state of this browser cannot be stored: ${String(error)}` });
      } finally {
        this.performing = false;
        this.show();
      }
    })();
  }

  private poll(): Output | undefined {
    return (this.link?.poll() ?? this.device?.poll()) as Output | undefined;
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
        this.road?.send(output.bytes);
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
        this.backOffMs = BACK_OFF_MS[0];
        this.model.connection({ state: "online" });
        for (const resolve of this.whenOnline) resolve();
        this.whenOnline.clear();
        break;
      case "enrolled": {
        const identity = await this.database.identity();
        if (identity) await this.database.putIdentity({ ...identity, enrolled: true }, null);
        this.model.set({ phase: "open" });
        this.enrolling?.resolve();
        this.enrolling = null;
        this.backOffMs = 1;
        this.road?.close();
        break;
      }
      case "linked":
        await this.database.putIdentity(output.identity, output.saved);
        this.backOffMs = 1;
        this.endLink("open");
        await this.open(output.identity);
        break;
      case "close":
        await this.closeFor(output.failed, output.last);
        break;
    }
  }

  private async closeFor(failed: Failed, last: boolean): Promise<void> {
    this.road?.close();
    if (this.enrolling !== null) {
      // Refused: the browser is as before.
      this.enrolling.reject(failed);
      this.enrolling = null;
      this.device = null;
      clearTimeout(this.retry);
      await this.database.forgetIdentity();
      this.model.set({ phase: "signed-out", me: null, device: null, ended: null });
    } else if (this.link !== null) {
      this.endLink("signed-out");
      this.model.set({ ended: failed.message });
    } else if (last) {
      this.over = true;
      clearTimeout(this.retry);
      this.model.set({ phase: "ended", ended: failed.message });
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
      case "media-epoch-changed": {
        const epoch = this.device?.mediaEpoch(event.conversation, event.call);
        if (epoch) this.tell({ kind: "media-epoch", call: event.call, epoch });
        break;
      }
      case "goodbye":
        await this.closeFor({ code: event.code, message: event.message }, event.last);
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
