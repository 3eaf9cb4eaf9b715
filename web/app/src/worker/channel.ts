// What passes between a tab, its worker, and the worker that has the engine.
import type {
  AccountId, BroadcastId, BroadcastReport, CallId, CallPage, Confirmation, Conversation, ConversationId, DeviceInfo, FileAbout, Message, MessageId, Page, Place, Presence,
  PushPlace, View,
} from "../device/contract";

/** What a tab may ask; `answer` types stand in `Answers`. */
export interface Asks {
  enrol: { code: string };
  beginLink: Record<string, never>;
  cancelLink: Record<string, never>;
  approveLink: { code: string };
  signOut: Record<string, never>;
  openDirect: { account: AccountId };
  createGroup: { title: string; accounts: AccountId[] };
  addAccounts: { conversation: ConversationId; accounts: AccountId[] };
  removeAccounts: { conversation: ConversationId; accounts: AccountId[] };
  leave: { conversation: ConversationId };
  send: { conversation: ConversationId; message: MessageId; text: string };
  sendFile: { conversation: ConversationId; message: MessageId; content: Blob; about: FileAbout };
  sendLocation: { conversation: ConversationId; message: MessageId; place: Place };
  openFile: { conversation: ConversationId; message: MessageId };
  hasFile: { conversation: ConversationId; message: MessageId };
  cancelFile: { conversation: ConversationId; message: MessageId };
  discard: { conversation: ConversationId; message: MessageId };
  message: { conversation: ConversationId; message: MessageId };
  markRead: { conversation: ConversationId; seq: number };
  history: { conversation: ConversationId; before: MessageId | null; limit: number };
  calls: { before: number | null; limit: number };
  markCallsSeen: Record<string, never>;
  fetchReceipts: { conversation: ConversationId };
  confirm: { conversation: ConversationId; seq: number };
  fetchConfirmations: { conversation: ConversationId; seq: number };
  showTyping: { conversation: ConversationId; typing: boolean };
  watchPresence: { accounts: AccountId[] };
  dismiss: { notice: number };
  registerPush: { subscription: PushPlace };
  unregisterPush: Record<string, never>;
  devices: { account: AccountId | null };
  revokeDevice: { device: string };
  safetyNumber: { account: AccountId };
  startCall: { conversation: ConversationId; offerSdp: string; video: boolean };
  connectMedia: { call: CallId; offerSdp: string };
  acceptCall: { call: CallId };
  declineCall: { call: CallId };
  hangUp: { call: CallId };
  /** Of a call or a broadcast. */
  mediaKeys: { call: CallId | BroadcastId };
  mediaEpoch: { call: CallId };
  /** The other is heard in the tab that has the media. */
  callTalks: { call: CallId };
  startBroadcast: { conversation: ConversationId; title: string; offerSdp: string };
  joinBroadcast: { broadcast: BroadcastId; offerSdp: string };
  leaveBroadcast: { broadcast: BroadcastId };
  stopBroadcast: { broadcast: BroadcastId };
  fetchBroadcastReport: { broadcast: BroadcastId };
}

export interface Answers {
  openDirect: ConversationId;
  createGroup: ConversationId;
  send: MessageId;
  sendFile: MessageId;
  sendLocation: MessageId;
  openFile: Blob;
  hasFile: boolean;
  message: Message | null;
  history: Page;
  calls: CallPage;
  fetchConfirmations: Confirmation[];
  devices: DeviceInfo[];
  safetyNumber: string;
  startCall: { call: CallId; answerSdp: string | null };
  connectMedia: { answerSdp: string };
  mediaKeys: { epoch: Uint8Array; contextId: number };
  mediaEpoch: Uint8Array | null;
  startBroadcast: { call: BroadcastId; answerSdp: string };
  joinBroadcast: { answerSdp: string };
  fetchBroadcastReport: BroadcastReport;
}

export type AskName = keyof Asks;
export type Answer<N extends AskName> = N extends keyof Answers ? Answers[N] : void;

export interface AskMessage<N extends AskName = AskName> {
  kind: "ask";
  /** The tab's worker. */
  tab: string;
  id: number;
  name: N;
  args: Asks[N];
}

/** Parts of the view that changed. `conversations` and `accounts` hold only changed entries; `order` is the whole list's. */
export interface Patch {
  view?: Partial<Omit<View, "conversations" | "accounts" | "presence">>;
  accounts?: View["accounts"];
  presence?: Record<AccountId, Presence>;
  conversations?: Conversation[];
  order?: ConversationId[];
  /** What was there before is void: a new engine speaks. */
  whole?: boolean;
}

/** What the engine's worker tells all tabs. */
export type Told =
  | { kind: "patch"; patch: Patch }
  | { kind: "message"; message: Message }
  | { kind: "dropped"; conversation: ConversationId; message: MessageId }
  | { kind: "media-epoch"; call: CallId; epoch: Uint8Array };

/** To a tab. */
export type ToTab =
  | Told
  | { kind: "answer"; id: number; value?: unknown; failed?: { code: string; message: string } };

/** Between workers, on the BroadcastChannel. */
export type Between =
  | AskMessage
  | { kind: "answer"; tab: string; id: number; value?: unknown; failed?: { code: string; message: string } }
  | { kind: "tell"; told: Told }
  /** A worker came and wants the whole view. */
  | { kind: "hello"; tab: string }
  /** A worker has taken the engine. */
  | { kind: "leader" };

/** Asks that do no harm when a new leader hears them a second time. */
export const REPEATABLE: ReadonlySet<AskName> = new Set<AskName>([
  "openDirect", "send", "sendFile", "sendLocation", "openFile", "hasFile", "message", "markRead", "history", "calls", "markCallsSeen", "watchPresence",
  "confirm", "fetchConfirmations", "registerPush", "unregisterPush", "devices", "safetyNumber", "dismiss", "mediaEpoch",
  "leaveBroadcast", "stopBroadcast", "fetchBroadcastReport",
]);

export const CHANNEL = "wardline";
export const ENGINE_LOCK = "wardline-engine";

/** Held by a tab's worker as long as it lives. */
export function tabLock(tab: string): string {
  return `wardline-tab-${tab}`;
}
