// The forms in which the wasm engine gives its outputs: web/engine/src/{output,shown,stored}.rs.
import type {
  AccountId, Body, BroadcastEnd, BroadcastId, BroadcastReport, CallEnd, CallId, Confirmation, ConversationId, DeviceId, DeviceInfo, FileAbout, MessageId, Place, PushPlace,
} from "../device/contract";

export interface Failed {
  code: string;
  message: string;
  /** The node's number for it, on bulk streams. */
  number?: number;
}

export interface StoredIdentity {
  root: string;
  account: AccountId;
  device: DeviceId;
  seed: Uint8Array;
  chain: Uint8Array;
  enrolled: boolean;
}

export interface StoredCell {
  key: Uint8Array;
  value: Uint8Array;
}

export interface StoredStatement {
  version: number;
  statement: Uint8Array;
}

export interface StoredReceipt {
  account: AccountId;
  delivered: number;
  read: number;
}

export interface StoredConversation {
  id: ConversationId;
  kind: number;
  title: string | null;
  cursor: number;
  readSeq: number;
  state: string;
  needsDirectory: number;
  floorEpoch: number | null;
  floorAuthenticator: Uint8Array | null;
  receipts: StoredReceipt[];
}

export interface StoredMessage {
  conversation: ConversationId;
  id: MessageId;
  seq: number;
  sender: AccountId;
  device: DeviceId;
  sentAtMs: number;
  body: StoredBody;
}

/** As a message is stored: a file with what opens it. */
export type StoredBody = Exclude<Body, { kind: "file" }> | { kind: "file"; file: StoredFile };

export interface StoredFile extends Omit<FileAbout, "thumbnail"> {
  attachment: string;
  /** Hexadecimal. */
  key: string;
  sealedSha256: string;
  /** Base64; empty: none. */
  thumbnail: string;
}

export interface StoredOutgoing {
  message: MessageId;
  conversation: ConversationId;
  place: number;
}

export interface Changes {
  cells: StoredCell[];
  deletedCells: Uint8Array[];
  statements: StoredStatement[];
  conversations: StoredConversation[];
  forgotten: ConversationId[];
  history: StoredMessage[];
  outbox: StoredOutgoing[];
  outboxDone: MessageId[];
  counters: Record<string, number>;
  incarnation: string | null;
}

export interface Saved {
  cells: StoredCell[];
  statements: StoredStatement[];
  conversations: StoredConversation[];
  seen: [ConversationId, MessageId][];
  outbox: [number, StoredMessage][];
  counters: Record<string, number>;
  incarnation: string | null;
  directoryFloorVersion: number | null;
  directoryFloorHash: Uint8Array | null;
}

export interface ShownConversation {
  id: ConversationId;
  kind: "direct" | "group" | "channel";
  title: string | null;
  maySpeak: boolean;
  accounts: AccountId[];
  devices: { account: AccountId; device: DeviceId }[];
  membership: "joining" | "joined" | "left";
  cursor: number;
  readSeq: number;
  receipts: StoredReceipt[];
}

export type CallWord = "ringing" | "accepted" | "peer-lost" | "peer-resumed" | "ended";

export type ShownEvent =
  | { kind: "ready" }
  | { kind: "message-failed"; conversation: ConversationId; message: MessageId; error: string }
  | { kind: "unreadable"; conversation: ConversationId; count: number }
  | { kind: "conversation"; conversation: ConversationId }
  | {
      kind: "members-changed";
      conversation: ConversationId;
      added: { account: AccountId; device: DeviceId }[];
      removed: { account: AccountId; device: DeviceId }[];
    }
  | { kind: "receipt"; conversation: ConversationId; account: AccountId; delivered: number; read: number }
  | { kind: "presence"; account: AccountId; online: boolean; lastSeenMs: number }
  | { kind: "typing"; conversation: ConversationId; account: AccountId; typing: boolean }
  | { kind: "incoming-call"; call: CallId; conversation: ConversationId; caller: AccountId; device: DeviceId; video: boolean }
  | {
      kind: "call-state";
      call: CallId;
      state: CallWord;
      end: CallEnd | null;
      answeringDevice: DeviceId | null;
      talkedMs: number;
    }
  | {
      kind: "broadcast";
      broadcast: BroadcastId;
      conversation: ConversationId;
      sender: AccountId;
      device: DeviceId;
      startedAtMs: number;
      viewers: number;
      state: "live" | "sender-lost" | "ended";
      end: BroadcastEnd | null;
    }
  | { kind: "media-epoch-changed"; call: CallId; conversation: ConversationId }
  | { kind: "directory" }
  | {
      kind: "notice";
      notice: string;
      account: AccountId | null;
      device: DeviceId | null;
      conversation: ConversationId | null;
      detail: string | null;
    }
  | { kind: "goodbye"; code: string; message: string; last: boolean };

export type Reply =
  | { kind: "done" }
  | { kind: "conversation"; conversation: ConversationId }
  | { kind: "message"; message: MessageId }
  | { kind: "call"; call: CallId; answerSdp: string | null }
  | { kind: "media"; answerSdp: string }
  | { kind: "mediaKeys"; epoch: Uint8Array; contextId: number }
  | { kind: "download"; ticket: Uint8Array; sealedBytes: number }
  | { kind: "devices"; devices: DeviceInfo[] }
  | { kind: "confirmations"; confirmations: Confirmation[] }
  | { kind: "broadcastReport"; report: BroadcastReport };

export type Output =
  | { kind: "persist"; changes: Changes }
  | { kind: "send"; bytes: Uint8Array }
  | {
      kind: "upload";
      message: MessageId;
      conversation: ConversationId;
      attachment: string;
      ticket: Uint8Array;
      fromByte: number;
      sealedBytes: number;
    }
  | { kind: "event"; event: ShownEvent }
  | { kind: "done"; token: number; reply: Reply | null; failed: Failed | null }
  | { kind: "wakeAt"; ms: number }
  | { kind: "signedIn" }
  | { kind: "enrolled" }
  | { kind: "linked"; identity: StoredIdentity; saved: Saved }
  | { kind: "close"; failed: Failed; last: boolean };

/** How an upload ended: web/engine/src/files.rs. */
export type UploadEnd =
  | { kind: "taken" }
  | { kind: "refused"; number: number; message: string }
  | { kind: "broken" }
  | { kind: "lost" };

/** What the engine is asked: web/engine/src/ask.rs. */
export type EngineAsk =
  | { kind: "openDirect"; account: AccountId }
  | { kind: "createGroup"; title: string; accounts: AccountId[] }
  | { kind: "addAccounts"; conversation: ConversationId; accounts: AccountId[] }
  | { kind: "removeAccounts"; conversation: ConversationId; accounts: AccountId[] }
  | { kind: "leave"; conversation: ConversationId }
  | { kind: "send"; conversation: ConversationId; message: MessageId; text: string }
  | { kind: "sendFile"; conversation: ConversationId; message: MessageId; file: StoredFile }
  | { kind: "sendLocation"; conversation: ConversationId; message: MessageId; place: Place }
  | { kind: "withdraw"; conversation: ConversationId; message: MessageId }
  | { kind: "openDownload"; conversation: ConversationId; attachment: string; fromByte: number }
  | { kind: "markRead"; conversation: ConversationId; seq: number }
  | { kind: "fetchReceipts"; conversation: ConversationId }
  | { kind: "confirm"; conversation: ConversationId; seq: number }
  | { kind: "fetchConfirmations"; conversation: ConversationId; seq: number }
  | { kind: "showTyping"; conversation: ConversationId; typing: boolean }
  | { kind: "watchPresence"; accounts: AccountId[] }
  | { kind: "registerPush"; subscription: PushPlace }
  | { kind: "unregisterPush" }
  | { kind: "devices"; account: AccountId | null }
  | { kind: "revokeDevice"; device: DeviceId }
  | { kind: "approveLink"; code: string }
  | { kind: "startCall"; conversation: ConversationId; offerSdp: string; video: boolean }
  | { kind: "connectMedia"; call: CallId; offerSdp: string }
  | { kind: "reportRinging"; call: CallId }
  | { kind: "acceptCall"; call: CallId }
  | { kind: "declineCall"; call: CallId }
  | { kind: "hangUp"; call: CallId }
  | { kind: "mediaKeys"; call: CallId | BroadcastId }
  | { kind: "startBroadcast"; conversation: ConversationId; title: string; offerSdp: string }
  | { kind: "joinBroadcast"; broadcast: BroadcastId; offerSdp: string }
  | { kind: "leaveBroadcast"; broadcast: BroadcastId }
  | { kind: "stopBroadcast"; broadcast: BroadcastId }
  | { kind: "fetchBroadcastReport"; broadcast: BroadcastId };
