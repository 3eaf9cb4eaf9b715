// What a tab may ask of its device and what it is told. Plain objects that pass through structured clone; ids are 32 lower-case hexadecimal digits.
// The worker side is worker.ts; the tab side is device.ts. Absent on purpose: keys and ciphertext. They never leave the worker.
import type { BroadcastMedia } from "../media/broadcast";
import type { MediaDeviceUse } from "../media/devices";
import type { LiveMedia } from "../media/live";
import type { Studio } from "../media/studio";

export type AccountId = string;
export type DeviceId = string;
export type ConversationId = string;
export type MessageId = string;
export type CallId = string;
export type BroadcastId = string;

/** Where this browser profile stands. */
export type Phase =
  | "loading" // the engine starts
  | "signed-out" // no device here: enrol or link
  | "linking" // shows a code and waits for an existing device
  | "open" // a device is here, connected or not
  | "ended"; // the node has shut this device out for good (revoked, locked): `View.ended` says why

export interface Connection {
  state: "offline" | "connecting" | "online";
  /** Which road is taken; null while offline. */
  transport: "webtransport" | "websocket" | null;
  /** Why the faster road is not taken, for the connection details. */
  fallbackReason: string | null;
  /** Signed in and level with the node: nothing is missing. */
  level: boolean;
  /** Unix time of the last change. */
  sinceMs: number;
}

export interface Account {
  id: AccountId;
  name: string;
  /** Role or ward, as the IT admin wrote it; may be empty. */
  role: string;
  level: "admin" | "internal" | "guest" | "archive";
  /** Deleted accounts stay, for their names in old conversations. */
  deleted: boolean;
}

export interface Presence {
  online: boolean;
  /** Unix time; 0 when never seen. */
  lastSeenMs: number;
}

export type Body =
  | { kind: "text"; text: string }
  | { kind: "title"; title: string }
  | { kind: "file"; file: FileAbout }
  | { kind: "location"; place: Place }
  | { kind: "call"; call: CallId; startedAtMs: number; talkedMs: number; answered: boolean; video?: boolean }
  | { kind: "broadcast"; broadcast: BroadcastId; startedAtMs: number; title: string };

/** What a file's message says of it. The content itself comes with `Device.openFile`. */
export interface FileAbout {
  /** As the sender's system called it, without any path; for saving. Written by the sender: not to be trusted. */
  name: string;
  /** Media type, lower case; written by the sender: decides only how to show it. */
  mime: string;
  /** Of the content, in bytes. */
  bytes: number;
  /** Of a picture or video in pixels; 0 when not known. */
  width: number;
  height: number;
  /** Of a video or sound; 0 when not known. */
  durationMs: number;
  /** A small JPEG or WebP to show before the content is here, at most `THUMBNAIL_BYTES_MAX`; null: none. */
  thumbnail: Uint8Array<ArrayBuffer> | null;
  /** What the sender wrote below it; may be empty. */
  caption: string;
}

/** A place in words and coordinates; at least one of the two is there. */
export interface Place {
  /** E.g. "Haus B / 2 / OP 3"; may be empty. */
  words: string;
  /** WGS 84 degrees; null when only words were sent. */
  position: { latitude: number; longitude: number; /** Radius in metres; 0: not known. */ accuracyM: number } | null;
}

/** Where a push service reaches this browser: what the node needs to wake it. */
export interface PushPlace {
  endpoint: string;
  /** 65 bytes. */
  p256dh: Uint8Array<ArrayBuffer>;
  /** 16 bytes. */
  auth: Uint8Array<ArrayBuffer>;
}

/** A file on its way, either direction. It ends by vanishing from `View.transfers`. */
export interface Transfer {
  direction: "up" | "down";
  /** Bytes that have arrived at the other side, of `bytes`. Goes on from where it was after a lost connection. */
  done: number;
  bytes: number;
  /** Stands still until the node is reachable. */
  waiting: boolean;
}

/** Bytes of one file. */
export const FILE_BYTES_MAX = 100_000_000;
export const THUMBNAIL_BYTES_MAX = 16 * 1024;
/** UTF-8 bytes. */
export const CAPTION_BYTES_MAX = 4_096;
export const FILE_NAME_BYTES_MAX = 255;
export const PLACE_WORDS_BYTES_MAX = 1_024;
export const BROADCAST_TITLE_BYTES_MAX = 255;

export interface Message {
  conversation: ConversationId;
  id: MessageId;
  /** Its place in the log; 0 while it waits to be sent. */
  seq: number;
  sender: AccountId;
  device: DeviceId;
  /** The sender's clock, Unix time. */
  sentAtMs: number;
  body: Body;
  /** `sending`: in the outbox, will go out by itself. `sent`: durable at the node. `failed`: will not be sent, `error` says why. */
  state: "sending" | "sent" | "failed";
  error: string | null;
}

export interface Receipt {
  delivered: number;
  read: number;
}

/** Somebody has said expressly that he has taken note of a message in a channel. */
export interface Confirmation {
  account: AccountId;
  /** The node's clock, Unix time. */
  atMs: number;
}

export interface Conversation {
  id: ConversationId;
  /** A channel is for announcements: the hospital's signed directory says what it is called, who reads in it and which of them are its operators. */
  kind: "direct" | "group" | "channel";
  /** What a group or a channel is called; null for a direct conversation, which is called by the other's name. */
  title: string | null;
  /** Whether this account may write here: in a channel only its operators may. Says nothing of membership. */
  maySpeak: boolean;
  /** Accounts on the signed roster, this one included. The archive, where policy has it, is one of them. */
  accounts: AccountId[];
  /** Devices in the encrypted group. */
  devices: { account: AccountId; device: DeviceId }[];
  /** `joining`: named by the node, not yet in the group. `left`: history only. */
  membership: "joining" | "joined" | "left";
  last: Message | null;
  unread: number;
  readSeq: number;
  /** Newest place heard of, for marking read. */
  headSeq: number;
  /** How far each other account has received and read. */
  receipts: Record<AccountId, Receipt>;
  /** Messages that cannot be read on this device and never will; the goal is 0. */
  unreadable: number;
}

/** Something a person should see once. */
export interface Notice {
  id: number;
  atMs: number;
  kind:
    | "device-added"
    | "device-revoked"
    | "second-use-of-code"
    | "node-restored"
    | "healed"
    | "account-renamed"
    | "node-refused"
    | "member-device-added";
  account: AccountId | null;
  device: DeviceId | null;
  conversation: ConversationId | null;
  /** For `node-refused`: what the node did, as the core names it. */
  detail: string | null;
}

export interface DeviceInfo {
  id: DeviceId;
  own: boolean;
  online: boolean;
  enrolledAtMs: number;
  /** Of its key, for comparing: 8 groups of 5 digits. */
  fingerprint: string;
}

export type CallEnd =
  | "hung-up" | "declined" | "busy" | "cancelled" | "no-answer" | "accepted-elsewhere" | "declined-elsewhere"
  | "peer-lost" | "revoked" | "shutting-down" | "unreachable" | "media-failed" | "failed";

/** A call of this device, or one that rings at it. At most one is not `ended`. */
export interface Call {
  id: CallId;
  conversation: ConversationId;
  peer: AccountId;
  direction: "outgoing" | "incoming";
  state: "starting" | "ringing" | "connecting" | "talking" | "peer-lost" | "ended";
  end: CallEnd | null;
  /** When talking began, Unix time; 0 before. */
  talkingSinceMs: number;
  talkedMs: number;
  /** Placed as a video call. Whether a camera is on now is in `LiveMedia`. */
  video: boolean;
  /** Its media is in this tab. Others show it and may bring it to the front. */
  here: boolean;
}

export type BroadcastEnd = "stopped" | "sender-lost" | "revoked" | "shutting-down";

/** Somebody sends sound and picture to everybody in a channel, live. */
export interface Broadcast {
  id: BroadcastId;
  conversation: ConversationId;
  sender: AccountId;
  device: DeviceId;
  /** The node's clock, Unix time. */
  startedAtMs: number;
  /** What it is about; null until its message is here. */
  title: string | null;
  /** How many watch. Known only to who watches or sends. */
  viewers: number;
  /** `sender-lost`: nothing comes from its sender, who is waited for. */
  state: "live" | "sender-lost" | "ended";
  /** Why it ended; null where nobody says. */
  end: BroadcastEnd | null;
  /** What a tab of this browser does in it; null for nothing. An own one that no tab sends was interrupted. */
  part: "sends" | "watches" | null;
  /** Its media is in this tab. */
  here: boolean;
}

/** How a broadcast goes, as the node counts. Totals are since its start. */
export interface BroadcastReport {
  /** Of the picture, the smallest first. `rid` is empty where there is only one. */
  layers: BroadcastLayer[];
  viewers: number;
  /** Whose line carries no more than sound. */
  viewersWithoutVideo: number;
  /** Key frames that viewers asked for, and that the sender was asked for. */
  keyFramesAsked: number;
  keyFramesRequested: number;
  packetsForwarded: number;
  packetsDropped: number;
  /** To all viewers together. */
  outgoingBps: number;
  /** Of the viewers' lines. */
  meanLossPermille: number;
  worstLossPermille: number;
}

export interface BroadcastLayer {
  rid: string;
  bitrateBps: number;
  packets: number;
  /** Between the sender and the node. */
  packetsLost: number;
  viewers: number;
}

/** Everything that the screens show, but for histories. Replaced as a whole object at each change; unchanged parts keep their identity. */
export interface View {
  phase: Phase;
  /** Why it ended: `code: words`, or words alone. */
  ended: string | null;
  /** The code to show as QR and text while `linking`. */
  linkCode: string | null;
  hospital: string | null;
  me: AccountId | null;
  device: DeviceId | null;
  connection: Connection;
  accounts: Record<AccountId, Account>;
  presence: Record<AccountId, Presence>;
  /** Newest first. */
  conversations: Conversation[];
  notices: Notice[];
  call: Call | null;
  /** Those that are live, and for a minute those that were; the newest first. */
  broadcasts: Broadcast[];
  /** Who writes now, by conversation; empty ones are left out. */
  typing: Record<ConversationId, AccountId[]>;
  /** Files on their way, by the message they belong to. At most a few times a second. */
  transfers: Record<MessageId, Transfer>;
  /** Missed calls that the person has seen neither in the calls nor in their conversation; counted to 99. */
  missedCalls: number;
  /** Whether the browser has promised not to evict the state. */
  storagePersistent: boolean | null;
}

/** Part of a conversation's history, oldest first. */
export interface Page {
  messages: Message[];
  /** Whether there are older ones. */
  more: boolean;
}

/** Calls of all conversations, newest first. */
export interface CallPage {
  /** Their bodies are calls. */
  calls: Message[];
  /** To ask for the next page with; null: there are no older ones. */
  before: number | null;
}

/** Why a command failed. `code` is the node's error name, or `offline`, `unknown`, `full`, `engine`, `code`, `storage`, `cancelled`, `elsewhere`. `message` is for people, in English. */
export class DeviceError extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
    this.name = "DeviceError";
  }
}

/** The device as a tab sees it. All promises reject with `DeviceError`. */
export interface Device {
  /** The present view, for `useSyncExternalStore`. */
  view(): View;
  subscribe(changed: () => void): () => void;
  /** Called for each message that is received, sent, failed or replaced in a conversation: history on screen updates from it. */
  onMessage(listener: (message: Message) => void): () => void;
  /** Called, in every tab, for each message that is there no longer: discarded, sent again as another, or cancelled on its way. */
  onDropped(listener: (conversation: ConversationId, message: MessageId) => void): () => void;

  /** Becomes a device by an enrolment link or bare code. */
  enrol(code: string): Promise<void>;
  /** Shows a code (View.linkCode) and waits, at most 5 minutes, for an existing device. */
  beginLink(): Promise<void>;
  cancelLink(): Promise<void>;
  /** Certifies the device that shows this code. */
  approveLink(code: string): Promise<void>;
  /** Tells the node to revoke this device when connected, then wipes everything here. */
  signOut(): Promise<void>;

  openDirect(account: AccountId): Promise<ConversationId>;
  createGroup(title: string, accounts: AccountId[]): Promise<ConversationId>;
  addAccounts(conversation: ConversationId, accounts: AccountId[]): Promise<void>;
  removeAccounts(conversation: ConversationId, accounts: AccountId[]): Promise<void>;
  leave(conversation: ConversationId): Promise<void>;
  /** Resolves once the message is in the outbox. */
  send(conversation: ConversationId, text: string): Promise<MessageId>;
  /** Resolves once the file is encrypted on this device and its message is in the outbox; it survives a closed tab. `about.bytes` is ignored: the blob says it. */
  sendFile(conversation: ConversationId, content: Blob, about: FileAbout): Promise<MessageId>;
  sendLocation(conversation: ConversationId, place: Place): Promise<MessageId>;
  /** The content of a file's message, decrypted and verified; fetched from the node unless it is here. Asked twice, it is fetched once. The blob has no type: what is shown of it, and how, the tab decides. */
  openFile(conversation: ConversationId, message: MessageId): Promise<Blob>;
  /** Whether `openFile` needs no node. */
  hasFile(conversation: ConversationId, message: MessageId): Promise<boolean>;
  /** Stops fetching (`openFile` rejects with `cancelled`), or drops an own file's message that is still on its way. */
  cancelFile(conversation: ConversationId, message: MessageId): Promise<void>;
  /** Sends a failed message again as a new message, and drops the failed one. */
  retry(conversation: ConversationId, message: MessageId): Promise<void>;
  /** Drops a failed message. */
  discard(conversation: ConversationId, message: MessageId): Promise<void>;
  markRead(conversation: ConversationId, seq: number): Promise<void>;
  /** Messages before `before` (null: the newest ones), at most `limit`. */
  history(conversation: ConversationId, before: MessageId | null, limit: number): Promise<Page>;
  /** Calls before `before` (null: the newest ones), about `limit`: whole days. */
  calls(before: number | null, limit: number): Promise<CallPage>;
  /** The person looks at the calls: missed ones are seen. */
  markCallsSeen(): Promise<void>;
  /** Learns how far everybody has got in a large conversation, where nobody tells it unasked. */
  fetchReceipts(conversation: ConversationId): Promise<void>;
  /** Says that the person has taken note of this message in a channel. The first time is what counts. */
  confirm(conversation: ConversationId, seq: number): Promise<void>;
  /** Who has taken note of a message in a channel: its operators learn of everybody, others of themselves alone. */
  confirmations(conversation: ConversationId, seq: number): Promise<Confirmation[]>;
  /** Tells the others that the person writes, or has stopped. To be said again while it goes on. */
  showTyping(conversation: ConversationId, typing: boolean): Promise<void>;
  watchPresence(accounts: AccountId[]): Promise<void>;
  dismiss(notice: number): Promise<void>;

  /** Lets the node wake this device through the browser's push service while it is not connected. The same again is harmless. */
  registerPush(place: PushPlace): Promise<void>;
  unregisterPush(): Promise<void>;

  /** The own account's devices, or another's. */
  devices(account: AccountId | null): Promise<DeviceInfo[]>;
  revokeDevice(device: DeviceId): Promise<void>;
  /** 60 digits that are equal on both sides, from both accounts' enrolment keys. */
  safetyNumber(account: AccountId): Promise<string>;

  /** Rings the other account of a direct conversation. With `video` the own camera is on, and nothing of it leaves before the other accepts. */
  startCall(conversation: ConversationId, video: boolean): Promise<void>;
  /** With `video` the own camera goes on; without one that can be had, the call is accepted all the same and `LiveMedia` says why. */
  acceptCall(video: boolean): Promise<void>;
  declineCall(): Promise<void>;
  hangUp(): Promise<void>;
  /** Sound and picture of the call in this tab; null without one. For `useSyncExternalStore`, with `subscribe`. */
  live(): LiveMedia | null;
  setMuted(muted: boolean): Promise<void>;
  setCamera(on: boolean): Promise<void>;
  /** From the front camera to the back one, or the other way. */
  turnCamera(): Promise<void>;
  /** Another device was chosen (media/devices.ts): a call that is going on takes it. */
  rechooseDevice(use: MediaDeviceUse): Promise<void>;

  /** Goes live in a channel with what the studio gives. The studio is the broadcast's from then on and ends with it; when this rejects it is the caller's still. */
  startBroadcast(conversation: ConversationId, title: string, studio: Studio): Promise<void>;
  /** Goes on with an own broadcast that was interrupted. */
  resumeBroadcast(broadcast: BroadcastId, studio: Studio): Promise<void>;
  /** Watches. Whatever this browser watched before is left. */
  joinBroadcast(broadcast: BroadcastId): Promise<void>;
  /** Also of one that another tab watches. */
  leaveBroadcast(broadcast: BroadcastId): Promise<void>;
  /** Ends it for everybody. */
  stopBroadcast(broadcast: BroadcastId): Promise<void>;
  /** For its channel's operators. Rejects while there is nothing to report yet. */
  broadcastReport(broadcast: BroadcastId): Promise<BroadcastReport>;
  /** Sound and picture of the broadcast in this tab; null without one. For `useSyncExternalStore`, with `subscribe`. */
  onAir(): BroadcastMedia | null;
  /** What the broadcast of this tab is made of, to be changed while it goes on; null without one. */
  studio(): Studio | null;
  /** How loud what is watched plays: 0 to 1. */
  setVolume(volume: number): void;
  /** Plays the sound after the browser has held it back; to be called when a person taps. */
  playSound(): void;
}
