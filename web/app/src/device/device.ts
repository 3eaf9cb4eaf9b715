// The device as this tab sees it: asks its worker, keeps the view up to date, and has the sound and picture of a call that is taken here.
import type { BroadcastMedia } from "../media/broadcast";
import { CallMedia } from "../media/call";
import type { MediaDeviceUse } from "../media/devices";
import type { MediaKeys } from "../media/frames";
import type { LiveMedia } from "../media/live";
import type { Studio } from "../media/studio";
import { endPush } from "../push/push";
import { ownScript } from "../trusted";
import type { Answer, AskName, Asks, Patch, ToTab } from "../worker/channel";
import { EMPTY } from "../worker/model";
import workerAddress from "../worker/worker.ts?worker&url";
import { BroadcastHere } from "./broadcasts";
import {
  type AccountId, type BroadcastId, type BroadcastReport, type CallPage, type Confirmation, type Conversation, type ConversationId, type Device, DeviceError, type DeviceInfo,
  type FileAbout, type Message, type MessageId, type Page, type Place, type PushPlace, type View,
} from "./contract";

interface Waiting {
  resolve(value: unknown): void;
  reject(error: DeviceError): void;
}

/** Opens this browser profile's device. Once a page. */
export function openDevice(): Device {
  return new WorkerDevice();
}

class WorkerDevice implements Device {
  private readonly worker = new Worker(ownScript(workerAddress), { type: "module" });
  private readonly waiting = new Map<number, Waiting>();
  private readonly changed = new Set<() => void>();
  private readonly listeners = new Set<(message: Message) => void>();
  private readonly droppedListeners = new Set<(conversation: ConversationId, message: MessageId) => void>();
  private readonly conversations = new Map<ConversationId, Conversation>();
  private order: ConversationId[] = [];
  private current: View = EMPTY;
  private nextId = 1;
  private media: CallMedia | null = null;
  /** The call whose sound is in this tab; "" while it is being started. */
  private mediaCall: string | null = null;
  private started = false;
  private readonly broadcast: BroadcastHere = new BroadcastHere(
    (name, args) => this.ask(name, args),
    () => this.put(this.current),
  );

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<ToTab>) => this.told(data);
    this.worker.onerror = (event) => {
      this.put({ ...this.current, phase: "ended", ended: event.message || "The encryption worker does not start." });
    };
    // A closed tab has no ears: the other is not left waiting for it.
    window.addEventListener("pagehide", () => void (this.mediaCall !== null && this.hangUp().catch(() => undefined)));
    window.addEventListener("pagehide", () => this.broadcast.pageGoes());
    // Nobody ends a broadcast by closing the wrong tab.
    window.addEventListener("beforeunload", (event) => this.broadcast.sends && event.preventDefault());
  }

  view(): View {
    return this.current;
  }

  subscribe(changed: () => void): () => void {
    this.changed.add(changed);
    return () => this.changed.delete(changed);
  }

  onMessage(listener: (message: Message) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onDropped(listener: (conversation: ConversationId, message: MessageId) => void): () => void {
    this.droppedListeners.add(listener);
    return () => this.droppedListeners.delete(listener);
  }

  async enrol(code: string): Promise<void> {
    await this.ask("enrol", { code });
    // Asked for here, after a person has acted; the answer is shown in the settings.
    const storagePersistent = (await navigator.storage?.persist?.()) ?? null;
    this.put({ ...this.current, storagePersistent });
  }

  beginLink = (): Promise<void> => this.ask("beginLink", {});
  cancelLink = (): Promise<void> => this.ask("cancelLink", {});
  approveLink = (code: string): Promise<void> => this.ask("approveLink", { code });

  async signOut(): Promise<void> {
    this.endMedia();
    this.broadcast.close();
    // What the browser's push service does not let go of reaches nobody: the node forgets it with the device.
    await endPush().catch((error: unknown) => console.info("push:", error));
    await this.ask("signOut", {});
    location.replace("/");
  }

  openDirect = (account: AccountId): Promise<ConversationId> => this.ask("openDirect", { account });
  createGroup = (title: string, accounts: AccountId[]): Promise<ConversationId> => this.ask("createGroup", { title, accounts });
  addAccounts = (conversation: ConversationId, accounts: AccountId[]): Promise<void> =>
    this.ask("addAccounts", { conversation, accounts });
  removeAccounts = (conversation: ConversationId, accounts: AccountId[]): Promise<void> =>
    this.ask("removeAccounts", { conversation, accounts });
  leave = (conversation: ConversationId): Promise<void> => this.ask("leave", { conversation });

  send(conversation: ConversationId, text: string): Promise<MessageId> {
    // Made here, so that asking a second time sends once.
    return this.ask("send", { conversation, message: randomId(), text });
  }

  sendFile(conversation: ConversationId, content: Blob, about: FileAbout): Promise<MessageId> {
    return this.ask("sendFile", { conversation, message: randomId(), content, about });
  }

  sendLocation(conversation: ConversationId, place: Place): Promise<MessageId> {
    return this.ask("sendLocation", { conversation, message: randomId(), place });
  }

  openFile = (conversation: ConversationId, message: MessageId): Promise<Blob> => this.ask("openFile", { conversation, message });
  hasFile = (conversation: ConversationId, message: MessageId): Promise<boolean> => this.ask("hasFile", { conversation, message });
  cancelFile = (conversation: ConversationId, message: MessageId): Promise<void> => this.ask("cancelFile", { conversation, message });

  async retry(conversation: ConversationId, message: MessageId): Promise<void> {
    const failed = await this.ask("message", { conversation, message });
    if (failed?.state !== "failed") return;
    await this.sendAgain(failed);
    await this.discard(conversation, message);
  }

  private async sendAgain({ conversation, id, body }: Message): Promise<unknown> {
    switch (body.kind) {
      case "text":
        return this.send(conversation, body.text);
      case "file":
        return this.sendFile(conversation, await this.openFile(conversation, id), body.file);
      case "location":
        return this.sendLocation(conversation, body.place);
      case "title":
      case "call":
      case "broadcast":
        throw new DeviceError("unknown", "nothing that a person sends");
    }
  }

  discard = (conversation: ConversationId, message: MessageId): Promise<void> => this.ask("discard", { conversation, message });
  markRead = (conversation: ConversationId, seq: number): Promise<void> => this.ask("markRead", { conversation, seq });
  history = (conversation: ConversationId, before: MessageId | null, limit: number): Promise<Page> =>
    this.ask("history", { conversation, before, limit });
  calls = (before: number | null, limit: number): Promise<CallPage> => this.ask("calls", { before, limit });
  markCallsSeen = (): Promise<void> => this.ask("markCallsSeen", {});
  fetchReceipts = (conversation: ConversationId): Promise<void> => this.ask("fetchReceipts", { conversation });
  confirm = (conversation: ConversationId, seq: number): Promise<void> => this.ask("confirm", { conversation, seq });
  confirmations = (conversation: ConversationId, seq: number): Promise<Confirmation[]> => this.ask("fetchConfirmations", { conversation, seq });
  showTyping = (conversation: ConversationId, typing: boolean): Promise<void> => this.ask("showTyping", { conversation, typing });
  watchPresence = (accounts: AccountId[]): Promise<void> => this.ask("watchPresence", { accounts });
  dismiss = (notice: number): Promise<void> => this.ask("dismiss", { notice });
  registerPush = (place: PushPlace): Promise<void> => this.ask("registerPush", { subscription: place });
  unregisterPush = (): Promise<void> => this.ask("unregisterPush", {});
  devices = (account: AccountId | null): Promise<DeviceInfo[]> => this.ask("devices", { account });
  revokeDevice = (device: string): Promise<void> => this.ask("revokeDevice", { device });
  safetyNumber = (account: AccountId): Promise<string> => this.ask("safetyNumber", { account });

  // ---- calls ----

  async startCall(conversation: ConversationId, video: boolean): Promise<void> {
    const sdp = await this.beginMedia("");
    try {
      if (video) await this.cameraOn();
      const { call, answerSdp } = await this.ask("startCall", { conversation, offerSdp: sdp, video });
      this.mediaCall = call;
      this.put(this.current); // the view of it may have come before its id
      if (answerSdp !== null) await this.media?.answer(answerSdp);
      this.follow();
    } catch (error) {
      this.endMedia();
      throw error;
    }
  }

  async acceptCall(video: boolean): Promise<void> {
    const call = this.current.call;
    if (call === null) return;
    const sdp = await this.beginMedia(call.id);
    try {
      // It need not be waited for: the one who calls is to hear at once.
      if (video) void this.cameraOn().catch(() => undefined);
      const { answerSdp } = await this.ask("connectMedia", { call: call.id, offerSdp: sdp });
      await this.media?.answer(answerSdp);
      await this.ask("acceptCall", { call: call.id });
      this.follow();
    } catch (error) {
      this.endMedia();
      throw error;
    }
  }

  async declineCall(): Promise<void> {
    if (this.current.call) await this.ask("declineCall", { call: this.current.call.id });
  }

  async hangUp(): Promise<void> {
    const call = this.current.call;
    this.endMedia();
    if (call) await this.ask("hangUp", { call: call.id });
  }

  live = (): LiveMedia | null => this.media?.state() ?? null;

  async setMuted(muted: boolean): Promise<void> {
    this.media?.mute(muted);
  }

  setCamera = (on: boolean): Promise<void> => (on ? this.cameraOn() : (this.media?.setCamera(false) ?? Promise.resolve()));
  turnCamera = (): Promise<void> => this.media?.turnCamera() ?? Promise.resolve();

  async rechooseDevice(use: MediaDeviceUse): Promise<void> {
    await Promise.all([this.media?.rechoose(use), this.broadcast.rechoose(use)]);
  }

  private async cameraOn(): Promise<void> {
    try {
      await this.media?.setCamera(true);
    } catch (error) {
      throw new DeviceError("camera", `no camera: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private async beginMedia(call: string): Promise<string> {
    if (this.media !== null) throw new DeviceError("call", "this tab is in a call already");
    this.mediaCall = call;
    this.started = false;
    try {
      const { media, sdp } = await CallMedia.offer({
        talking: () => void this.ask("callTalks", { call: this.mediaCall ?? "" }).catch(() => undefined),
        changed: () => this.tellChanged(),
        reconnect: async (offerSdp) => (await this.ask("connectMedia", { call: this.mediaCall ?? "", offerSdp })).answerSdp,
      });
      this.media = media;
      return sdp;
    } catch (error) {
      this.mediaCall = null;
      throw new DeviceError("microphone", `no microphone: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Starts and ends the sound as the call's state says. */
  private follow(): void {
    const call = this.current.call;
    // Whoever had the engine is gone, and the call with it.
    if (this.started && call === null) return this.endMedia();
    if (this.media === null || call === null || call.id !== this.mediaCall) return;
    if (call.state === "ended") return this.endMedia();
    if (!this.started && (call.state === "connecting" || call.state === "talking")) {
      this.started = true;
      void this.mediaKeys(call.id, call.peer).then(
        (keys) => this.media?.start(keys),
        () => this.hangUp(),
      );
    }
  }

  /** A context id for each track. The later answer's epoch is the newer one, and good for both. */
  private async mediaKeys(call: string, peer: AccountId): Promise<MediaKeys> {
    const [audio, video] = await Promise.all([this.ask("mediaKeys", { call }), this.ask("mediaKeys", { call })]);
    return { epoch: video.epoch, contexts: { audio: audio.contextId, video: video.contextId }, peer };
  }

  private endMedia(): void {
    this.media?.close();
    this.media = null;
    this.mediaCall = null;
    this.started = false;
  }

  // ---- broadcasts ----

  startBroadcast = (conversation: ConversationId, title: string, studio: Studio): Promise<void> => this.broadcast.start(conversation, title, studio);
  resumeBroadcast = (broadcast: BroadcastId, studio: Studio): Promise<void> => this.broadcast.resume(broadcast, studio);

  async joinBroadcast(broadcast: BroadcastId): Promise<void> {
    const told = this.current.broadcasts.find(({ id }) => id === broadcast);
    if (told === undefined) throw new DeviceError("unknowncall", "this broadcast is over");
    await this.broadcast.join(broadcast, told.sender, this.current.call !== null && this.current.call.state !== "ended");
  }

  leaveBroadcast = (broadcast: BroadcastId): Promise<void> => this.broadcast.leave(broadcast);
  stopBroadcast = (broadcast: BroadcastId): Promise<void> => this.ask("stopBroadcast", { broadcast });
  broadcastReport = (broadcast: BroadcastId): Promise<BroadcastReport> => this.ask("fetchBroadcastReport", { broadcast });
  onAir = (): BroadcastMedia | null => this.broadcast.state();
  studio = (): Studio | null => this.broadcast.studio();
  setVolume = (volume: number): void => this.broadcast.setVolume(volume);
  playSound = (): void => this.broadcast.playSound();

  // ---- the worker ----

  private ask<N extends AskName>(name: N, args: Asks[N]): Promise<Answer<N>> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.worker.postMessage({ kind: "ask", id, name, args });
    });
  }

  private told(told: ToTab): void {
    switch (told.kind) {
      case "patch":
        this.patch(told.patch);
        break;
      case "message":
        for (const listener of this.listeners) listener(told.message);
        break;
      case "dropped":
        for (const listener of this.droppedListeners) listener(told.conversation, told.message);
        break;
      case "media-epoch":
        if (told.call === this.mediaCall) this.media?.update(told.epoch);
        this.broadcast.update(told.call, told.epoch);
        break;
      case "answer": {
        const waiting = this.waiting.get(told.id);
        this.waiting.delete(told.id);
        if (told.failed) waiting?.reject(new DeviceError(told.failed.code, told.failed.message));
        else waiting?.resolve(told.value);
        break;
      }
    }
  }

  private patch(patch: Patch): void {
    if (patch.whole) {
      this.conversations.clear();
      this.broadcast.engineMoved();
    }
    for (const conversation of patch.conversations ?? []) this.conversations.set(conversation.id, conversation);
    this.order = patch.order ?? this.order;
    const conversations = patch.order ? this.order.map((id) => this.conversations.get(id)).filter((it) => it !== undefined) : this.current.conversations;
    const presence = patch.presence ? { ...(patch.whole ? {} : this.current.presence), ...patch.presence } : this.current.presence;
    this.put({ ...this.current, ...patch.view, accounts: patch.accounts ?? this.current.accounts, conversations, presence });
  }

  private tellChanged(): void {
    for (const changed of this.changed) changed();
  }

  private put(view: View): void {
    const starting = this.mediaCall === "" && view.call?.direction === "outgoing";
    const call = view.call && { ...view.call, here: starting || view.call.id === this.mediaCall };
    this.current = { ...view, call, broadcasts: this.broadcast.mark(view.broadcasts) };
    this.follow();
    this.broadcast.follow(this.current);
    this.tellChanged();
  }
}

function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
