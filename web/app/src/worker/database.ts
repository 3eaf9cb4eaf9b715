// The device's durable state in IndexedDB. One call of `apply` is one transaction with strict durability: when it resolves, the changes survive a crash.
// Every value is sealed (seal.ts); ids, places and numbers that indexes need stay in clear. Absent on purpose: decisions.
import { type DBSchema, type IDBPDatabase, type IDBPTransaction, type StoreNames, openDB } from "idb";
import type { Body, CallPage, ConversationId, Message, MessageId, Page } from "../device/contract";
import type {
  Changes, Saved, StoredBody, StoredConversation, StoredFile, StoredIdentity, StoredMessage,
} from "../engine/outputs";
import { Seal } from "./seal";

const NAME = "wardline";

const DAY_MS = 86_400_000;

/** Unread missed calls are counted to here; more are as many as anybody needs to know. */
const MISSED_MAX = 99;

/** In `meta` as long as calls of an older version have no day. Holds nothing. */
const UNINDEXED = "calls-unindexed";

/** Rows that are looked through at once when an index is made for what was stored before it. */
const INDEXING_ROWS = 500;

/** Messages that wait stand behind all that are in the log; their place is added to this. */
const WAITING_ORDER = 1e15;

/** As in the core: message ids remembered of one conversation. */
const SEEN_MESSAGES_MAX = 10_000;

interface HistoryRow {
  conversation: ConversationId;
  id: MessageId;
  /** The place in the log, or `WAITING_ORDER` + place in the outbox. */
  order: number;
  /** 1 when it counts as unread until it is read. */
  counts: 0 | 1;
  /** Of a call, and of nothing else: the day it began, counted from 1970 (UTC). No more of it is in clear than pages of a call list need. */
  callDay?: number;
  sealed: Uint8Array;
}

interface Schema extends DBSchema {
  keys: { key: string; value: CryptoKey };
  meta: { key: string; value: Uint8Array };
  cells: { key: Uint8Array<ArrayBuffer>; value: Uint8Array };
  statements: { key: number; value: Uint8Array };
  conversations: { key: string; value: Uint8Array };
  history: {
    key: [string, string];
    value: HistoryRow;
    indexes: { order: [string, number]; unread: [string, number, number]; calls: number };
  };
  outbox: { key: string; value: { conversation: ConversationId; place: number } };
  failures: { key: string; value: Uint8Array };
}

const STORES: StoreNames<Schema>[] = [
  "keys", "meta", "cells", "statements", "conversations", "history", "outbox", "failures",
];

/** `from`: the version that was there; 0 for a new database. */
type Upgrade = (idb: IDBPDatabase<Schema>, transaction: IDBPTransaction<Schema, StoreNames<Schema>[], "versionchange">, from: number) => void;

/** What each version adds to the one before; the version is their number. Steps are only ever added. */
const UPGRADES: Upgrade[] = [
  (idb) => {
    for (const name of STORES) {
      if (name !== "history") idb.createObjectStore(name);
    }
    const history = idb.createObjectStore("history", { keyPath: ["conversation", "id"] });
    history.createIndex("order", ["conversation", "order"]);
    history.createIndex("unread", ["conversation", "counts", "order"]);
  },
  (_, transaction, from) => {
    transaction.objectStore("history").createIndex("calls", "callDay");
    // What is stored already cannot be opened in here: it is gone through afterwards.
    if (from > 0) void transaction.objectStore("meta").put(new Uint8Array(), UNINDEXED);
  },
];

export class Database {
  /** Calls stored before there was an index of them are being added to it. */
  private readonly indexed: Promise<void>;

  private constructor(
    private readonly idb: IDBPDatabase<Schema>,
    private readonly seal: Seal,
    private me: string,
  ) {
    this.indexed = this.indexCalls();
    this.indexed.catch(() => undefined); // said to whoever asks for calls
  }

  static async open(): Promise<Database> {
    const idb = await openDB<Schema>(NAME, UPGRADES.length, {
      upgrade(idb, from, _, transaction) {
        for (const upgrade of UPGRADES.slice(from)) upgrade(idb, transaction, from);
      },
    });
    let key = await idb.get("keys", "seal");
    if (key === undefined) {
      key = await Seal.makeKey();
      await idb.put("keys", key, "seal");
    }
    return new Database(idb, new Seal(key), "");
  }

  /** Wipes everything, the key first: what a disk still holds of the rest cannot be opened. */
  static async wipe(open: Database | null): Promise<void> {
    if (open !== null) {
      await open.idb.clear("keys");
      open.idb.close();
    }
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(NAME);
      request.onsuccess = () => resolve();
      request.onerror = () => reject(request.error ?? new Error("the state cannot be deleted"));
      request.onblocked = () => resolve(); // deleted when the last tab lets go
    });
  }

  async identity(): Promise<StoredIdentity | null> {
    const sealed = await this.idb.get("meta", "identity");
    if (sealed === undefined) return null;
    const stored = await this.seal.openJson<Record<string, unknown>>("meta/identity", sealed);
    const identity = {
      ...stored,
      seed: bytes(stored.seed as string),
      chain: bytes(stored.chain as string),
    } as StoredIdentity;
    this.me = identity.account;
    return identity;
  }

  async putIdentity(identity: StoredIdentity, saved: Saved | null): Promise<void> {
    this.me = identity.account;
    const stored = { ...identity, seed: text(identity.seed), chain: text(identity.chain) };
    const sealed = await this.seal.closeJson("meta/identity", stored);
    const floor = saved?.directoryFloorHash
      ? await this.seal.closeJson("meta/floor", { version: saved.directoryFloorVersion, hash: text(saved.directoryFloorHash) })
      : null;
    const conversations = await this.sealConversations(saved?.conversations ?? []);
    const transaction = this.idb.transaction(["meta", "conversations"], "readwrite", { durability: "strict" });
    const meta = transaction.objectStore("meta");
    void meta.put(sealed, "identity");
    if (floor) void meta.put(floor, "floor");
    for (const [id, value] of conversations) void transaction.objectStore("conversations").put(value, id);
    await transaction.done;
  }

  /** After a refused enrolment: as if it had not been tried. */
  async forgetIdentity(): Promise<void> {
    await this.idb.delete("meta", "identity");
  }

  /** Everything the engine starts from. */
  async load(): Promise<Saved> {
    const [cellKeys, cellValues, versions, statements, conversationIds, conversations, outboxIds, outbox] =
      await Promise.all([
        this.idb.getAllKeys("cells"), this.idb.getAll("cells"),
        this.idb.getAllKeys("statements"), this.idb.getAll("statements"),
        this.idb.getAllKeys("conversations"), this.idb.getAll("conversations"),
        this.idb.getAllKeys("outbox"), this.idb.getAll("outbox"),
      ]);
    const keys = cellKeys.map((key) => new Uint8Array(key as unknown as ArrayBuffer));
    const floor = await this.json<{ version: number; hash: string }>("floor");
    const waiting = await Promise.all(
      outboxIds.map(async (id, i): Promise<[number, StoredMessage] | null> => {
        const row = outbox[i];
        const stored = row && (await this.idb.get("history", [row.conversation, id]));
        return row && stored ? [row.place, await this.message(stored)] : null;
      }),
    );
    return {
      cells: await Promise.all(
        keys.map(async (key, i) => ({ key, value: await this.seal.open(`cells/${text(key)}`, cellValues[i] as Uint8Array) })),
      ),
      statements: await Promise.all(
        versions.map(async (version, i) => ({
          version,
          statement: await this.seal.open(`statements/${version}`, statements[i] as Uint8Array),
        })),
      ),
      conversations: await Promise.all(
        conversationIds.map(async (id, i) => {
          const stored = await this.seal.openJson<StoredConversation & { floorAuthenticator: string | null }>(
            `conversations/${id}`, conversations[i] as Uint8Array,
          );
          const floorAuthenticator = stored.floorAuthenticator === null ? null : bytes(stored.floorAuthenticator);
          return { ...stored, floorAuthenticator };
        }),
      ),
      seen: (await Promise.all(conversationIds.map((id) => this.seen(id)))).flat(),
      outbox: waiting.filter((entry) => entry !== null).sort(([one], [other]) => one - other),
      counters: (await this.json<Record<string, number>>("counters")) ?? {},
      incarnation: await this.json<string>("incarnation"),
      directoryFloorVersion: floor?.version ?? null,
      directoryFloorHash: floor ? bytes(floor.hash) : null,
    };
  }

  /** Makes the changes durable, all of them or none. `counters` are the whole of them. */
  async apply(changes: Changes, counters: Record<string, number>): Promise<void> {
    // Sealing first: a transaction of IndexedDB ends by itself while anything else is waited for.
    const places = new Map(changes.outbox.map((outgoing) => [outgoing.message, outgoing.place]));
    const [cells, statements, conversations, history, sealedCounters, incarnation] = await Promise.all([
      Promise.all(changes.cells.map(async (cell) => ({
        key: cell.key, value: await this.seal.close(`cells/${text(cell.key)}`, cell.value),
      }))),
      Promise.all(changes.statements.map(async ({ version, statement }) => ({
        version, value: await this.seal.close(`statements/${version}`, statement),
      }))),
      this.sealConversations(changes.conversations),
      Promise.all(changes.history.map((message) => this.row(message, places.get(message.id)))),
      Object.keys(changes.counters).length > 0 ? this.seal.closeJson("meta/counters", counters) : null,
      changes.incarnation === null ? null : this.seal.closeJson("meta/incarnation", changes.incarnation),
    ]);
    const transaction = this.idb.transaction(STORES, "readwrite", { durability: "strict" });
    const store = <N extends StoreNames<Schema>>(name: N) => transaction.objectStore(name);
    // Deleted after put: a key that is in both is gone, as in the core's order.
    for (const cell of cells) void store("cells").put(cell.value, cell.key as Uint8Array<ArrayBuffer>);
    for (const key of changes.deletedCells) void store("cells").delete(key as Uint8Array<ArrayBuffer>);
    for (const { version, value } of statements) void store("statements").put(value, version);
    for (const [id, value] of conversations) void store("conversations").put(value, id);
    for (const id of changes.forgotten) {
      void store("conversations").delete(id);
      void store("history").delete(IDBKeyRange.bound([id, ""], [id, "\uffff"]));
    }
    for (const row of history) void store("history").put(row);
    for (const { message, conversation, place } of changes.outbox) void store("outbox").put({ conversation, place }, message);
    for (const message of changes.outboxDone) void store("outbox").delete(message);
    if (sealedCounters) void store("meta").put(sealedCounters, "counters");
    if (incarnation) void store("meta").put(incarnation, "incarnation");
    await transaction.done;
  }

  /** Messages before `before` (null: the newest ones), oldest first. */
  async history(conversation: ConversationId, before: MessageId | null, limit: number): Promise<Page> {
    const from = before === null ? undefined : await this.idb.get("history", [conversation, before]);
    const range = IDBKeyRange.bound([conversation, 0], [conversation, from?.order ?? Infinity], false, from !== undefined);
    const rows: HistoryRow[] = [];
    let cursor = await this.idb.transaction("history").store.index("order").openCursor(range, "prev");
    while (cursor && rows.length <= limit) {
      rows.push(cursor.value);
      cursor = await cursor.continue();
    }
    const messages = await Promise.all(rows.slice(0, limit).reverse().map((row) => this.shown(row)));
    return { messages, more: rows.length > limit };
  }

  /** Calls of all conversations, newest first: whole days before `before` (null: from the newest) until there are `limit` of them. */
  async calls(before: number | null, limit: number): Promise<CallPage> {
    await this.indexed;
    const rows: HistoryRow[] = [];
    let [day, more] = [before, false];
    const range = before === null ? null : IDBKeyRange.upperBound(before, true);
    for (let cursor = await this.callCursor(range); cursor; cursor = await cursor.continue()) {
      more = rows.length >= limit && cursor.key !== day;
      if (more) break;
      day = cursor.key;
      rows.push(cursor.value);
    }
    const calls = await Promise.all(rows.map((row) => this.shown(row)));
    return { calls: calls.sort((one, other) => began(other) - began(one)), before: more ? day : null };
  }

  /** Missed calls that began after `sinceMs` and are not read in their conversation either, at most `MISSED_MAX`. */
  async missed(sinceMs: number, readSeq: (conversation: ConversationId) => number): Promise<number> {
    await this.indexed;
    const rows: HistoryRow[] = [];
    for (let cursor = await this.callCursor(IDBKeyRange.lowerBound(dayOf(sinceMs))); cursor; cursor = await cursor.continue()) {
      const { counts, order, conversation } = cursor.value;
      if (counts === 1 && order > readSeq(conversation)) rows.push(cursor.value);
    }
    let count = 0;
    for (const row of rows) {
      const { body } = await this.message(row);
      if (body.kind === "call" && !body.answered && body.startedAtMs > sinceMs) count += 1;
      if (count === MISSED_MAX) break;
    }
    return count;
  }

  /** When the person last looked at the calls, Unix time; 0 before. */
  async callsSeenMs(): Promise<number> {
    return (await this.json<number>("calls-seen")) ?? 0;
  }

  async putCallsSeenMs(ms: number): Promise<void> {
    await this.idb.put("meta", await this.seal.closeJson("meta/calls-seen", ms), "calls-seen");
  }

  async last(conversation: ConversationId): Promise<Message | null> {
    return (await this.history(conversation, null, 1)).messages[0] ?? null;
  }

  async one(conversation: ConversationId, id: MessageId): Promise<Message | null> {
    const row = await this.idb.get("history", [conversation, id]);
    return row ? this.shown(row) : null;
  }

  /** A file's message with what opens it. */
  async file(conversation: ConversationId, id: MessageId): Promise<StoredFile | null> {
    const row = await this.idb.get("history", [conversation, id]);
    const body = row && (await this.message(row)).body;
    return body?.kind === "file" ? body.file : null;
  }

  unread(conversation: ConversationId, readSeq: number): Promise<number> {
    const range = IDBKeyRange.bound([conversation, 1, readSeq], [conversation, 1, WAITING_ORDER], true, true);
    return this.idb.countFromIndex("history", "unread", range);
  }

  async failed(message: MessageId, error: string): Promise<void> {
    await this.idb.put("failures", await this.seal.closeJson(`failures/${message}`, error), message);
  }

  /** Takes a failed message out; whether it did. One that is in the log or on its way stays. */
  async discard(conversation: ConversationId, message: MessageId): Promise<boolean> {
    const row = await this.idb.get("history", [conversation, message]);
    if (row === undefined || row.order < WAITING_ORDER || (await this.idb.get("outbox", message)) !== undefined) return false;
    const transaction = this.idb.transaction(["history", "failures"], "readwrite");
    void transaction.objectStore("history").delete([conversation, message]);
    void transaction.objectStore("failures").delete(message);
    await transaction.done;
    return true;
  }

  private callCursor(range: IDBKeyRange | null) {
    return this.idb.transaction("history").store.index("calls").openCursor(range, "prev");
  }

  /** Once: what was stored before version 2 has no day. Begins again when it was broken off. */
  private async indexCalls(): Promise<void> {
    if ((await this.idb.get("meta", UNINDEXED)) === undefined) return;
    let after: [string, string] = ["", ""];
    for (;;) {
      const rows: HistoryRow[] = await this.idb.getAll("history", IDBKeyRange.lowerBound(after, true), INDEXING_ROWS);
      for (const row of rows) {
        after = [row.conversation, row.id];
        const { body } = await this.message(row);
        if (body.kind === "call") await this.setDay(after, dayOf(body.startedAtMs));
      }
      if (rows.length < INDEXING_ROWS) break;
    }
    await this.idb.delete("meta", UNINDEXED);
  }

  private async setDay(key: [string, string], callDay: number): Promise<void> {
    const transaction = this.idb.transaction("history", "readwrite");
    const row = await transaction.store.get(key); // it may have been written anew meanwhile
    if (row) void transaction.store.put({ ...row, callDay });
    await transaction.done;
  }

  private async seen(id: ConversationId): Promise<[ConversationId, MessageId][]> {
    const ids: [ConversationId, MessageId][] = [];
    const range = IDBKeyRange.bound([id, 0], [id, Infinity]);
    let cursor = await this.idb.transaction("history").store.index("order").openKeyCursor(range, "prev");
    while (cursor && ids.length < SEEN_MESSAGES_MAX) {
      ids.push([id, cursor.primaryKey[1]]);
      cursor = await cursor.continue();
    }
    return ids.reverse();
  }

  private async row(message: StoredMessage, place: number | undefined): Promise<HistoryRow> {
    const counts = message.sender !== this.me && message.body.kind !== "title" ? 1 : 0;
    const order = message.seq > 0 ? message.seq : WAITING_ORDER + (place ?? message.sentAtMs);
    const sealed = await this.seal.closeJson(`history/${message.conversation}/${message.id}`, message);
    const call = message.body.kind === "call" ? { callDay: dayOf(message.body.startedAtMs) } : {};
    return { conversation: message.conversation, id: message.id, order, counts, ...call, sealed };
  }

  private message(row: HistoryRow): Promise<StoredMessage> {
    return this.seal.openJson<StoredMessage>(`history/${row.conversation}/${row.id}`, row.sealed);
  }

  private async shown(row: HistoryRow): Promise<Message> {
    const stored = await this.message(row);
    const message = { ...stored, body: shownBody(stored.body) };
    if (message.seq > 0) return { ...message, state: "sent", error: null };
    if ((await this.idb.get("outbox", row.id)) !== undefined) return { ...message, state: "sending", error: null };
    const error = await this.idb.get("failures", row.id);
    return {
      ...message,
      state: "failed",
      error: error ? await this.seal.openJson<string>(`failures/${row.id}`, error) : null,
    };
  }

  private sealConversations(conversations: StoredConversation[]): Promise<[string, Uint8Array][]> {
    return Promise.all(conversations.map(async (record): Promise<[string, Uint8Array]> => {
      const floorAuthenticator = record.floorAuthenticator && text(record.floorAuthenticator);
      return [record.id, await this.seal.closeJson(`conversations/${record.id}`, { ...record, floorAuthenticator })];
    }));
  }

  private async json<T>(name: string): Promise<T | null> {
    const sealed = await this.idb.get("meta", name);
    return sealed === undefined ? null : this.seal.openJson<T>(`meta/${name}`, sealed);
  }
}

/** What a tab may see of a body: nothing that opens a file. */
function shownBody(body: StoredBody): Body {
  if (body.kind !== "file") return body;
  const { name, mime, bytes: length, width, height, durationMs, caption, thumbnail } = body.file;
  const small = thumbnail === "" ? null : Uint8Array.from(atob(thumbnail), (character) => character.charCodeAt(0));
  return { kind: "file", file: { name, mime, bytes: length, width, height, durationMs, caption, thumbnail: small } };
}

function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

function began(message: Message): number {
  return message.body.kind === "call" ? message.body.startedAtMs : message.sentAtMs;
}

function text(value: Uint8Array): string {
  return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));
}
