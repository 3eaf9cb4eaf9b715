// A device in memory, for tests and photographs: the demo hospital on an ordinary day. It is not part of the product.
import { DeviceError, type Account, type Call, type CallPage, type Body, type Broadcast, type BroadcastReport, type Confirmation, type Conversation, type Device, type DeviceInfo, type FileAbout, type Message, type Notice, type Page, type Place, type PushPlace, type Transfer, type View } from "../src/device/contract";
import type { BroadcastMedia, Sending, Watching } from "../src/media/broadcast";
import { SILENT, type LiveMedia } from "../src/media/live";
import type { Studio, StudioState } from "../src/media/studio";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A stable id of 32 digits from a few characters. */
export function id(of: string): string {
  return [...of].map((char) => char.charCodeAt(0).toString(16)).join("").padEnd(32, "0").slice(0, 32);
}

function account(handle: string, name: string, role: string, level: Account["level"] = "internal", deleted = false): Account {
  return { id: id(handle), name, role, level, deleted };
}

export const PEOPLE = {
  anna: account("anna", "Dr. Anna Meier", "Oberärztin, Station 1"),
  boris: account("boris", "Boris Weber", "Pflege, Station 1"),
  carla: account("carla", "Dr. Carla Rossi", "Assistenzärztin, Station 2"),
  deniz: account("deniz", "Deniz Yilmaz", "Pflege, Station 2"),
  emil: account("emil", "Emil Brandt", "Anästhesie"),
  frieda: account("frieda", "Prof. Dr. Frieda Lindqvist-Hohenstein", "Chefärztin Innere Medizin"),
  gast: account("gast", "Dr. Henrik Paulsen", "Hausarzt, Praxis am Markt", "guest"),
  it: account("it", "Ines Thoma", "Klinik-IT", "admin"),
  archiv: account("archiv", "Archiv", "", "archive"),
  georg: account("georg", "Georg Sander", "Physiotherapie", "internal", true),
};
export const ME = PEOPLE.anna.id;

export interface Options {
  phase?: View["phase"];
  /** The present moment: everything lies before it. */
  nowMs?: number;
  /** There is a channel as well, called `channel`: the person reads in it, or is one of its operators. */
  channel?: "reader" | "operator";
  /** How many messages the conversation `Station 1` has beside those written out. */
  many?: number;
  call?: Call | null;
  live?: Partial<LiveMedia>;
  /** Live ones, or ones that were. The media of the first that is `here` is in this tab. */
  broadcasts?: Broadcast[];
  onAir?: Partial<Watching> | Partial<Sending>;
  missedCalls?: number;
  notices?: Notice[];
  connection?: Partial<View["connection"]>;
}

interface Line {
  from: keyof typeof PEOPLE;
  /** Minutes ago. */
  ago: number;
  text?: string;
  title?: string;
  call?: { talkedMs: number; answered: boolean; video?: boolean };
  state?: Message["state"];
  error?: string;
}

export class MemoryDevice implements Device {
  private current: View;
  private readonly watchers = new Set<() => void>();
  private readonly hearers = new Set<(message: Message) => void>();
  private readonly droppers = new Set<(conversation: string, message: string) => void>();
  private readonly logs = new Map<string, Message[]>();
  private made = 0;
  /** Contents that are on this device. */
  readonly files = new Map<string, Blob>();
  /** Who has taken note, by the message's place in its conversation. */
  private readonly confirmed = new Map<string, Confirmation[]>();
  private readonly fetching = new Map<string, (error: DeviceError) => void>();
  private heard: LiveMedia | null = null;
  private air: BroadcastMedia | null = null;
  /** What a report says next; null: there is none yet. */
  report: (() => BroadcastReport) | null = null;
  /** What the broadcast of this tab is made of. */
  studioHere: Studio | null = null;
  /** What was asked, in order: tests look at it. */
  readonly asked: { command: string; with: unknown[] }[] = [];
  /** The next command of this name fails so. */
  readonly failing = new Map<string, DeviceError>();

  constructor(private readonly options: Options = {}) {
    const now = options.nowMs ?? Date.now();
    this.current = {
      phase: options.phase ?? "open",
      ended: options.phase === "ended" ? "devicerevoked: The device was revoked by its account." : null,
      linkCode: options.phase === "linking" ? `wardline://link#${"kT7vXq2mB9s-LrWdE4_z".repeat(6)}` : null,
      hospital: "Demo-Klinik",
      me: ME,
      device: id("device-1"),
      connection: { state: "online", transport: "webtransport", fallbackReason: null, level: true, sinceMs: now - 47 * MINUTE_MS, ...options.connection },
      accounts: Object.fromEntries(Object.values(PEOPLE).map((one) => [one.id, one])),
      presence: {
        [PEOPLE.boris.id]: { online: true, lastSeenMs: now },
        [PEOPLE.carla.id]: { online: false, lastSeenMs: now - 26 * MINUTE_MS },
        [PEOPLE.deniz.id]: { online: true, lastSeenMs: now },
        [PEOPLE.emil.id]: { online: false, lastSeenMs: now - DAY_MS },
        [PEOPLE.gast.id]: { online: false, lastSeenMs: now - 9 * DAY_MS },
      },
      conversations: [],
      notices: options.notices ?? [],
      call: options.call ?? null,
      broadcasts: options.broadcasts ?? [],
      typing: {},
      transfers: {},
      missedCalls: options.missedCalls ?? 0,
      storagePersistent: true,
    };
    const here = options.broadcasts?.find((one) => one.here);
    if (here) this.air = { ...(here.part === "sends" ? SENDING : WATCHING), broadcast: here.id, ...options.onAir } as BroadcastMedia;
    if (options.call?.here) this.heard = { ...SILENT, ...options.live };
    this.furnish(now);
  }

  private furnish(now: number): void {
    const { anna, boris, carla, deniz, emil, archiv, gast, georg } = PEOPLE;
    this.group("station1", "Station 1", [anna, boris, archiv], now, [
      { from: "boris", ago: 1500, text: "Guten Morgen zusammen. Übergabe Nachtdienst: ruhig, keine Neuaufnahmen." },
      { from: "anna", ago: 1492, text: "Danke, Boris. Wie geht es Zimmer 4?" },
      { from: "boris", ago: 1490, text: "Frau S. hat gut geschlafen, RR 128/76 um 6 Uhr. Schmerzmittel nur einmal gebraucht." },
      { from: "anna", ago: 1489, text: "👍" },
      { from: "boris", ago: 64, text: "Bett 4 ist ab 11 Uhr frei, Entlassbrief fehlt noch." },
      { from: "anna", ago: 62, text: "Brief ist diktiert, kommt bis 10:30." },
      { from: "anna", ago: 62, text: "Bitte schon mal die Angehörigen anrufen." },
      { from: "boris", ago: 58, text: "Mache ich." },
      { from: "boris", ago: 58, text: "Die neue Leitlinie zur Sturzprophylaxe liegt im Intranet: https://intranet.demo-klinik.example/leitlinien/sturz. Bitte bis Freitag lesen, Abschnitt 3 betrifft uns direkt: Bei Patienten mit mehr als vier Medikamenten soll die Einschätzung schon bei der Aufnahme dokumentiert werden, nicht erst nach 24 Stunden." },
      { from: "anna", ago: 21, text: "Gelesen. Abschnitt 3 übernehmen wir ab Montag." },
      { from: "boris", ago: 4, text: "Prima ✅" },
    ], { unread: 0, read: { boris: 0 } });
    this.group("reanimation", "Reanimation", [anna, carla, deniz, emil], now, [
      { from: "emil", ago: 3 * 1440, title: "Reanimation" },
      { from: "emil", ago: 3 * 1440 - 2, text: "Neue Koffer stehen auf allen Etagen, bitte einmal ansehen." },
      { from: "carla", ago: 1440 + 30, text: "Station 2: gesehen und geprüft." },
      { from: "deniz", ago: 1440 + 12, text: "Der Defi im 2. OG zeigt Wartung an. Medizintechnik ist informiert." },
      { from: "anna", ago: 300, text: "Danke. Ersatzgerät?" },
      { from: "deniz", ago: 12, text: "Ersatzgerät steht jetzt vor Zimmer 212." },
      { from: "carla", ago: 11, text: "Hier Rossi, ich habe es getestet. Akku voll, Elektroden bis 08/2028." },
      { from: "emil", ago: 9, text: "Sehr gut 🙏" },
    ], { unread: 3, read: {} });
    this.direct("carla", carla, now, [
      { from: "carla", ago: 1450, text: "Hast du kurz Zeit für eine zweite Meinung? Zimmer 207." },
      { from: "anna", ago: 1448, text: "Ja, ich rufe an." },
      { from: "anna", ago: 1447, call: { talkedMs: 187_000, answered: true, video: true } },
      { from: "carla", ago: 1440, text: "Danke dir, sehr hilfreich." },
      { from: "carla", ago: 42, call: { talkedMs: 0, answered: false } },
      { from: "carla", ago: 41, text: "Hab dich nicht erreicht – Labor von 207 ist da, Krea 1,9. Kannst du draufschauen?" },
      { from: "anna", ago: 33, text: "Bin in 10 min oben." },
      { from: "anna", ago: 33, text: "Bitte Flüssigkeitsbilanz bereitlegen." },
      { from: "carla", ago: 26, text: "Liegt hier." },
    ], { unread: 0, read: { carla: 8 } });
    this.direct("boris", boris, now, [
      { from: "boris", ago: 200, text: "Visite heute um 9:15 statt 9?" },
      { from: "anna", ago: 190, text: "Ja, 9:15 passt." },
      { from: "anna", ago: 3, text: "Bringst du die Kurve von Bett 2 mit?" },
      { from: "anna", ago: 2, text: "Und den Aufklärungsbogen", state: "sending" },
      { from: "anna", ago: 2, text: "Noch etwas: Frau S. braucht einen Rolli.", state: "failed", error: "nodestorage: The node cannot write." },
    ], { unread: 0, read: { boris: 2 } });
    this.direct("deniz", deniz, now, [
      { from: "deniz", ago: 2 * 1440, text: "Dienstplan Dezember ist online." },
      { from: "deniz", ago: 2 * 1440 - 1, call: { talkedMs: 0, answered: false } },
    ], { unread: 1, read: {} });
    this.group("fruehdienst", "Frühdienst Innere", [anna, boris, carla, deniz, gast, georg], now, [
      { from: "georg", ago: 4 * 1440, text: "Gehtraining mit Herrn K. auf 14 Uhr verlegt." },
      { from: "gast", ago: 3 * 1440 + 100, text: "Vielen Dank für die Einladung. Den Medikationsplan schicke ich heute Abend." },
      { from: "anna", ago: 3 * 1440 + 90, text: "Perfekt, danke!" },
    ], { unread: 0, read: { boris: 3, carla: 3, deniz: 3, gast: 3 } });
    this.direct("emil", emil, now, [{ from: "anna", ago: 9 * 1440, text: "Prämedikation für morgen ist eingetragen." }], { unread: 0, read: { emil: 1 } });
    this.group("umzug", "Umzug Station 3", [boris, carla], now, [{ from: "boris", ago: 20 * 1440, text: "Erledigt, danke an alle!" }], { unread: 0, read: {}, membership: "left" });
    if (this.options.channel) this.channel(this.options.channel === "operator", now);
    if (this.options.many) this.fill("station1", this.options.many, now);
    this.sort();
  }

  private group(name: string, title: string, members: Account[], now: number, lines: Line[], rest: Rest): void {
    this.converse(name, { kind: "group", title, maySpeak: true }, members, now, lines, rest);
  }

  private direct(name: string, other: Account, now: number, lines: Line[], rest: Rest): void {
    this.converse(name, { kind: "direct", title: null, maySpeak: true }, [PEOPLE.anna, other], now, lines, rest);
  }

  private channel(operator: boolean, now: number): void {
    const { anna, boris, carla, deniz, emil, frieda, it } = PEOPLE;
    const last: Line = operator
      ? { from: "anna", ago: 31, text: "Station 1 übernimmt heute bis 16 Uhr keine Verlegungen: Die Zimmer 3 und 4 werden desinfiziert." }
      : { from: "it", ago: 31, text: "Das Laborsystem läuft wieder. Befunde von heute Nacht sind vollständig." };
    this.converse("channel", { kind: "channel", title: "Aktuelles Innere Medizin", maySpeak: operator }, [anna, boris, carla, deniz, emil, frieda, it], now, [
      { from: "frieda", ago: 2 * 1440 + 35, text: "Ab Januar beginnt die Frühbesprechung um 7:30 Uhr, weiterhin in Raum 2.114." },
      { from: "it", ago: 1440 + 20, text: "In der Nacht auf morgen wird von 2 bis 4 Uhr das Laborsystem gewartet. Eilige Befunde kommen in dieser Zeit per Telefon." },
      { from: "frieda", ago: 95, text: "Die Grippeimpfung für Mitarbeitende gibt es ab heute täglich von 12 bis 14 Uhr in der Betriebsmedizin, ohne Anmeldung." },
      { from: "frieda", ago: 94, text: "Wer Nachtdienst hat, kommt bitte morgens bis 8:30 Uhr." },
      last,
    ], { unread: operator ? 0 : 1, read: { carla: 4, emil: 3 } });
    const note = (seq: number, who: Account, ago: number) => this.note(id("channel"), seq, { account: who.id, atMs: now - ago * MINUTE_MS });
    // The newer ones are open.
    for (const seq of [1, 2]) note(seq, anna, 1440);
    note(3, anna, 80);
    if (operator) [boris, deniz].forEach((who, at) => note(5, who, 24 - at * 7));
  }

  private converse(name: string, kind: Pick<Conversation, "kind" | "title" | "maySpeak">, members: Account[], now: number, lines: Line[], rest: Rest): void {
    const conversation = id(name);
    const log = lines.map((line, at): Message => {
      const sentAtMs = now - line.ago * MINUTE_MS;
      const body: Message["body"] = line.title
        ? { kind: "title", title: line.title }
        : line.call
          ? { kind: "call", call: id(`call-${name}-${at}`), startedAtMs: sentAtMs, ...line.call }
          : { kind: "text", text: line.text ?? "" };
      const state = line.state ?? "sent";
      return { conversation, id: id(`${name}-${at}`), seq: state === "sent" ? at + 1 : 0, sender: PEOPLE[line.from].id, device: id(`${line.from}-device`), sentAtMs, body, state, error: line.error ?? null };
    });
    this.logs.set(conversation, log);
    const head = Math.max(0, ...log.map((message) => message.seq));
    this.current.conversations.push({
      id: conversation,
      ...kind,
      accounts: members.map((member) => member.id),
      devices: members.flatMap((member) => Array.from({ length: member.level === "archive" ? 1 : 1 + (member.name.length % 2) }, (_, at) => ({ account: member.id, device: id(`${member.id.slice(0, 8)}-${at}`) }))),
      membership: rest.membership ?? "joined",
      last: log.at(-1) ?? null,
      unread: rest.unread,
      readSeq: head - rest.unread,
      headSeq: head,
      receipts: Object.fromEntries(members.filter((member) => member.id !== ME && member.level !== "archive").map((member) => [member.id, { delivered: head, read: rest.read[handleOf(member)] ?? head }])),
      unreadable: rest.unreadable ?? 0,
    });
  }

  /** Puts many older messages in front, to scroll through. */
  private fill(name: string, count: number, now: number): void {
    const conversation = id(name);
    const log = this.logs.get(conversation) ?? [];
    const first = log[0]?.sentAtMs ?? now;
    const senders = [PEOPLE.anna, PEOPLE.boris];
    const older = Array.from({ length: count }, (_, at): Message => ({
      conversation,
      id: id(`f${at}`),
      seq: at + 1,
      sender: senders[Math.floor(at / 3) % 2]?.id ?? ME,
      device: id("device-1"),
      sentAtMs: first - (count - at) * 9 * MINUTE_MS,
      body: { kind: "text", text: `Nachricht ${at + 1}: ${"Verbandswechsel, Vitalzeichen und Bilanz sind dokumentiert. ".repeat(1 + ((at * 7) % 5))}` },
      state: "sent",
      error: null,
    }));
    this.logs.set(conversation, [...older, ...log.map((message) => ({ ...message, seq: message.seq === 0 ? 0 : message.seq + count }))]);
    this.edit(conversation, (old) => ({ ...old, last: this.logs.get(conversation)?.at(-1) ?? null, headSeq: old.headSeq + count, readSeq: old.readSeq + count, receipts: Object.fromEntries(Object.entries(old.receipts).map(([who, { delivered, read }]) => [who, { delivered: delivered + count, read: read + count }])) }));
  }

  private note(conversation: string, seq: number, confirmation: Confirmation): void {
    const key = `${conversation} ${seq}`;
    const known = this.confirmed.get(key) ?? [];
    // The first time is what counts.
    if (!known.some(({ account }) => account === confirmation.account)) this.confirmed.set(key, [...known, confirmation]);
  }

  private sort(): void {
    this.current = { ...this.current, conversations: this.current.conversations.toSorted((a, b) => (b.last?.sentAtMs ?? 0) - (a.last?.sentAtMs ?? 0)) };
  }

  private edit(conversation: string, change: (old: Conversation) => Conversation): void {
    this.update({ conversations: this.current.conversations.map((old) => (old.id === conversation ? change(old) : old)) });
  }

  /** Changes the view as the engine would. */
  update(change: Partial<View>): void {
    this.current = { ...this.current, ...change };
    for (const changed of this.watchers) changed();
  }

  /** A file's progress; null when it is over. */
  transfer(message: string, transfer: Transfer | null): void {
    const { [message]: _, ...others } = this.current.transfers;
    this.update({ transfers: transfer ? { ...others, [message]: transfer } : others });
  }

  /** A message as it arrives, or is sent. */
  deliver(conversation: string, from: Account, what: string | Body, part: Partial<Message> = {}): Message {
    const log = this.logs.get(conversation) ?? [];
    const waits = (part.state ?? "sent") !== "sent";
    const head = this.current.conversations.find((one) => one.id === conversation)?.headSeq ?? 0;
    const seq = waits ? 0 : head + 1;
    const body: Body = typeof what === "string" ? { kind: "text", text: what } : what;
    const message: Message = { conversation, id: id(`new${this.made++}`), seq, sender: from.id, device: id("device-2"), sentAtMs: Date.now(), body, state: "sent", error: null, ...part };
    this.logs.set(conversation, [...log, message]);
    const own = from.id === ME;
    this.edit(conversation, (old) => ({ ...old, last: message, headSeq: Math.max(head, seq), unread: own ? old.unread : old.unread + 1, readSeq: own ? Math.max(head, seq) : old.readSeq }));
    this.sort();
    this.update({});
    for (const heard of this.hearers) heard(message);
    return message;
  }

  private async ask(command: string, ...args: unknown[]): Promise<void> {
    this.asked.push({ command, with: args });
    const failure = this.failing.get(command);
    if (!failure) return;
    this.failing.delete(command);
    throw failure;
  }

  view = (): View => this.current;
  subscribe(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }
  onMessage(listener: (message: Message) => void): () => void {
    this.hearers.add(listener);
    return () => this.hearers.delete(listener);
  }
  onDropped(listener: (conversation: string, message: string) => void): () => void {
    this.droppers.add(listener);
    return () => this.droppers.delete(listener);
  }
  /** It is there no longer, whichever tab did it. */
  drop(conversation: string, message: string): void {
    for (const dropped of this.droppers) dropped(conversation, message);
  }
  private async dropping(command: string, conversation: string, message: string): Promise<void> {
    await this.ask(command, conversation, message);
    this.drop(conversation, message);
  }
  async enrol(code: string): Promise<void> {
    await this.ask("enrol", code);
    this.update({ phase: "open" });
  }
  async beginLink(): Promise<void> {
    await this.ask("beginLink");
    this.update({ phase: "linking", linkCode: "wardline://link#AbCd" });
  }
  async cancelLink(): Promise<void> {
    await this.ask("cancelLink");
    this.update({ phase: "signed-out", linkCode: null });
  }
  approveLink = (code: string) => this.ask("approveLink", code);
  async signOut(): Promise<void> {
    await this.ask("signOut");
    this.update({ phase: "signed-out" });
  }
  async openDirect(other: string): Promise<string> {
    await this.ask("openDirect", other);
    const known = this.current.conversations.find((one) => one.kind === "direct" && one.accounts.includes(other));
    if (known) return known.id;
    const found = Object.values(PEOPLE).find((one) => one.id === other);
    if (!found) throw new DeviceError("unknown", "no such account");
    this.direct(`direct-${handleOf(found)}`, found, Date.now(), [], { unread: 0, read: {} });
    this.update({ conversations: [...this.current.conversations] });
    return id(`direct-${handleOf(found)}`);
  }
  async createGroup(title: string, accounts: string[]): Promise<string> {
    await this.ask("createGroup", title, accounts);
    this.group(`group-${title}`, title, [PEOPLE.anna, ...Object.values(PEOPLE).filter((one) => accounts.includes(one.id))], Date.now(), [{ from: "anna", ago: 0, title }], { unread: 0, read: {} });
    this.sort();
    this.update({});
    return id(`group-${title}`);
  }
  async addAccounts(conversation: string, accounts: string[]): Promise<void> {
    await this.ask("addAccounts", conversation, accounts);
    this.edit(conversation, (old) => ({ ...old, accounts: [...old.accounts, ...accounts] }));
  }
  async removeAccounts(conversation: string, accounts: string[]): Promise<void> {
    await this.ask("removeAccounts", conversation, accounts);
    this.edit(conversation, (old) => ({ ...old, accounts: old.accounts.filter((one) => !accounts.includes(one)) }));
  }
  async leave(conversation: string): Promise<void> {
    await this.ask("leave", conversation);
    this.edit(conversation, (old) => ({ ...old, membership: "left" }));
  }
  async send(conversation: string, text: string): Promise<string> {
    await this.ask("send", conversation, text);
    return this.deliver(conversation, PEOPLE.anna, text).id;
  }
  async sendFile(conversation: string, content: Blob, about: FileAbout): Promise<string> {
    await this.ask("sendFile", conversation, content, about);
    const { id: message } = this.deliver(conversation, PEOPLE.anna, { kind: "file", file: { ...about, bytes: content.size } });
    this.files.set(message, content);
    return message;
  }
  async sendLocation(conversation: string, place: Place): Promise<string> {
    await this.ask("sendLocation", conversation, place);
    return this.deliver(conversation, PEOPLE.anna, { kind: "location", place }).id;
  }
  async openFile(conversation: string, message: string): Promise<Blob> {
    await this.ask("openFile", conversation, message);
    const content = this.files.get(message);
    // Still on its way: until the test says otherwise.
    if (!content) return new Promise((_, reject) => this.fetching.set(message, reject));
    return content;
  }
  async hasFile(conversation: string, message: string): Promise<boolean> {
    await this.ask("hasFile", conversation, message);
    return this.files.has(message);
  }
  async cancelFile(conversation: string, message: string): Promise<void> {
    await this.ask("cancelFile", conversation, message);
    this.transfer(message, null);
    this.fetching.get(message)?.(new DeviceError("cancelled", "somebody cancelled it"));
    const known = this.logs.get(conversation)?.find((one) => one.id === message);
    if (known && known.state !== "sent") this.drop(conversation, message);
  }
  retry = (conversation: string, message: string) => this.dropping("retry", conversation, message);
  discard = (conversation: string, message: string) => this.dropping("discard", conversation, message);
  async markRead(conversation: string, seq: number): Promise<void> {
    await this.ask("markRead", conversation, seq);
    this.edit(conversation, (old) => ({ ...old, readSeq: seq, unread: Math.max(0, old.headSeq - seq) }));
  }
  async history(conversation: string, before: string | null, limit: number): Promise<Page> {
    await this.ask("history", conversation, before, limit);
    const log = this.logs.get(conversation) ?? [];
    const end = before === null ? log.length : log.findIndex((message) => message.id === before);
    const start = Math.max(0, end - limit);
    return { messages: log.slice(start, end), more: start > 0 };
  }
  async calls(before: number | null, limit: number): Promise<CallPage> {
    await this.ask("calls", before, limit);
    const began = (message: Message) => (message.body.kind === "call" ? message.body.startedAtMs : 0);
    const all = [...this.logs.values()].flat().filter(({ body }) => body.kind === "call").sort((one, other) => began(other) - began(one));
    const from = before ?? 0;
    return { calls: all.slice(from, from + limit), before: from + limit < all.length ? from + limit : null };
  }
  async markCallsSeen(): Promise<void> {
    await this.ask("markCallsSeen");
    this.update({ missedCalls: 0 });
  }
  fetchReceipts = (conversation: string) => this.ask("fetchReceipts", conversation);
  async confirm(conversation: string, seq: number): Promise<void> {
    await this.ask("confirm", conversation, seq);
    this.note(conversation, seq, { account: ME, atMs: Date.now() });
  }
  async confirmations(conversation: string, seq: number): Promise<Confirmation[]> {
    await this.ask("confirmations", conversation, seq);
    const speaks = this.current.conversations.find((one) => one.id === conversation)?.maySpeak ?? false;
    return (this.confirmed.get(`${conversation} ${seq}`) ?? []).filter(({ account }) => speaks || account === ME);
  }
  showTyping = (conversation: string, typing: boolean) => this.ask("showTyping", conversation, typing);
  watchPresence = (accounts: string[]) => this.ask("watchPresence", accounts);
  async dismiss(notice: number): Promise<void> {
    await this.ask("dismiss", notice);
    this.update({ notices: this.current.notices.filter((one) => one.id !== notice) });
  }
  async devices(of: string | null): Promise<DeviceInfo[]> {
    await this.ask("devices", of);
    const now = this.options.nowMs ?? Date.now();
    const print = (seed: number) => Array.from({ length: 8 }, (_, at) => String((seed * 7919 + at * 104_729) % 100_000).padStart(5, "0")).join(" ");
    return [
      { id: id("device-1"), own: of === null, online: true, enrolledAtMs: now - 41 * DAY_MS, fingerprint: print(3) },
      { id: id("device-2"), own: false, online: false, enrolledAtMs: now - 2 * DAY_MS, fingerprint: print(8) },
    ];
  }
  registerPush = (place: PushPlace) => this.ask("registerPush", place);
  unregisterPush = () => this.ask("unregisterPush");
  revokeDevice = (device: string) => this.ask("revokeDevice", device);
  async safetyNumber(other: string): Promise<string> {
    await this.ask("safetyNumber", other);
    return Array.from({ length: 12 }, (_, at) => String((at * 31_337 + 4711) % 100_000).padStart(5, "0")).join("");
  }
  async startCall(conversation: string, video: boolean): Promise<void> {
    await this.ask("startCall", conversation, video);
    const peer = this.current.conversations.find((one) => one.id === conversation)?.accounts.find((one) => one !== ME) ?? ME;
    this.hear({ camera: video ? "on" : "off" });
    this.update({ call: call({ conversation, peer, video }) });
  }
  async acceptCall(video: boolean): Promise<void> {
    await this.ask("acceptCall", video);
    this.hear({ camera: video ? "on" : "off", line: "up" });
    const { call: ringing } = this.current;
    if (ringing) this.update({ call: { ...ringing, state: "talking", talkingSinceMs: Date.now() } });
  }
  declineCall = () => this.end("declineCall", "declined");
  hangUp = () => this.end("hangUp", "hung-up");
  live = (): LiveMedia | null => this.heard;
  async setMuted(muted: boolean): Promise<void> {
    await this.ask("setMuted", muted);
    this.hear({ muted });
  }
  async setCamera(on: boolean): Promise<void> {
    await this.ask("setCamera", on);
    this.hear({ camera: on ? "on" : "off", cameraFailure: null });
  }
  turnCamera = () => this.ask("turnCamera");
  rechooseDevice = (use: string) => this.ask("rechooseDevice", use);

  async startBroadcast(conversation: string, title: string, studio: Studio): Promise<void> {
    await this.ask("startBroadcast", conversation, title);
    this.studioHere = studio;
    this.air = { ...SENDING, studio: studio.state(), broadcast: id("broadcast"), line: "up" };
    this.update({ broadcasts: [broadcast({ conversation, title, sender: ME, device: id("device-1"), part: "sends", here: true })] });
  }
  async resumeBroadcast(one: string, studio: Studio): Promise<void> {
    await this.ask("resumeBroadcast", one);
    this.studioHere = studio;
    this.air = { ...SENDING, studio: studio.state(), broadcast: one, line: "up" };
    this.broadcast(one, { part: "sends", here: true, state: "live" });
  }
  async joinBroadcast(one: string): Promise<void> {
    await this.ask("joinBroadcast", one);
    this.air = { ...WATCHING, broadcast: one, line: "up" };
    this.broadcast(one, { part: "watches", here: true });
  }
  async leaveBroadcast(one: string): Promise<void> {
    await this.ask("leaveBroadcast", one);
    this.air = null;
    this.broadcast(one, { part: null, here: false });
  }
  async stopBroadcast(one: string): Promise<void> {
    await this.ask("stopBroadcast", one);
    this.air = null;
    this.broadcast(one, { part: null, here: false, state: "ended", end: "stopped" });
  }
  async broadcastReport(one: string): Promise<BroadcastReport> {
    await this.ask("broadcastReport", one);
    if (this.report === null) throw new DeviceError("unknowncall", "no report yet");
    return this.report();
  }
  onAir = (): BroadcastMedia | null => this.air;
  studio = (): Studio | null => this.studioHere;
  setVolume = (volume: number): void => {
    this.asked.push({ command: "setVolume", with: [volume] });
    this.watch({ volume });
  };
  playSound = (): void => this.watch({ blocked: false });

  /** What is watched in this tab looks and sounds like this from now on. */
  watch(part: Partial<Watching>): void {
    if (this.air?.kind === "watches") this.air = { ...this.air, ...part };
    this.update({});
  }

  /** Of what is sent from this tab. */
  produce(part: Partial<StudioState>, line?: Sending["line"]): void {
    if (this.air?.kind === "sends") this.air = { ...this.air, line: line ?? this.air.line, studio: { ...this.air.studio, ...part } };
    this.update({});
  }

  /** What the node tells of a broadcast. Where it is over, its media is gone as well. */
  broadcast(one: string, part: Partial<Broadcast>): void {
    if (part.state === "ended" && this.air?.broadcast === one) this.air = null;
    this.update({ broadcasts: this.current.broadcasts.map((old) => (old.id === one ? { ...old, ...part } : old)) });
  }

  /** What the call in this tab sounds and looks like from now on. */
  hear(part: Partial<LiveMedia>): void {
    this.heard = { ...(this.heard ?? SILENT), ...part };
    this.update({});
  }

  private async end(command: string, end: Call["end"]): Promise<void> {
    await this.ask(command);
    if (this.current.call) this.update({ call: { ...this.current.call, state: "ended", end } });
  }
}

interface Rest {
  unread: number;
  /** How far each has read, by handle; to the head where not named. */
  read: Partial<Record<string, number>>;
  membership?: Conversation["membership"];
  unreadable?: number;
}

function handleOf(account: Account): string {
  return Object.entries(PEOPLE).find(([, one]) => one.id === account.id)?.[0] ?? "";
}

export function call(part: Partial<Call>): Call {
  return { id: id("call"), conversation: id("carla"), peer: PEOPLE.carla.id, direction: "outgoing", state: "ringing", end: null, talkingSinceMs: 0, talkedMs: 0, video: false, here: true, ...part };
}

const SENDING: Sending = {
  kind: "sends", broadcast: "", line: "up", quality: null,
  studio: { picture: "off", own: null, mirrored: false, microphone: "on", muted: false, screenSound: false, failure: null },
};
const WATCHING: Watching = { kind: "watches", broadcast: "", line: "up", quality: null, stream: null, picture: "off", volume: 1, hushed: false, blocked: false };

/** One of the head physician's in the channel. */
export function broadcast(part: Partial<Broadcast> = {}): Broadcast {
  return {
    id: id("broadcast"), conversation: id("channel"), sender: PEOPLE.frieda.id, device: id("frieda-device"), startedAtMs: Date.now() - 754_000,
    title: "Neue Beatmungsgeräte: Einweisung", viewers: 0, state: "live", end: null, part: null, here: false, ...part,
  };
}

export function notice(part: Partial<Notice> & Pick<Notice, "kind">): Notice {
  return { id: 1, atMs: Date.now(), account: null, device: null, conversation: null, detail: null, ...part };
}
