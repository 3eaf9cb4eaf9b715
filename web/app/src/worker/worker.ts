// A tab's worker. All of them ask for one Web Lock; the one that has it owns the engine, the others pass on. When its tab closes, the next takes over.
/// <reference lib="webworker" />
import init from "../engine/pkg/engine";
import { type AskMessage, type Between, CHANNEL, ENGINE_LOCK, REPEATABLE, type ToTab, tabLock } from "./channel";
import { Database } from "./database";
import { Leader } from "./leader";
import { Shelf } from "./shelf";

const tab = crypto.randomUUID();
const others = new BroadcastChannel(CHANNEL);
const outstanding = new Map<number, AskMessage>();
let leader: Leader | null = null;

const toTab = (told: ToTab): void => self.postMessage(told);
const toOthers = (between: Between): void => others.postMessage(between);

void navigator.locks.request(tabLock(tab), () => new Promise(() => undefined));

void navigator.locks.request(ENGINE_LOCK, async () => {
  try {
    await init();
    leader = new Leader(await Database.open(), await Shelf.open(), (told) => {
      toTab(told);
      toOthers({ kind: "tell", told });
    });
    await leader.start();
  } catch (error) {
    const ended = `This browser cannot run the encryption: ${describe(error).message}`;
    toTab({ kind: "patch", patch: { view: { phase: "ended", ended } } });
    return;
  }
  toOthers({ kind: "leader" });
  const patch = leader.whole();
  toTab({ kind: "patch", patch });
  toOthers({ kind: "tell", told: { kind: "patch", patch } });
  for (const ask of outstanding.values()) again(ask);
  // Held until this worker ends.
  await new Promise(() => undefined);
});

self.onmessage = ({ data }: MessageEvent<Omit<AskMessage, "tab">>) => {
  const ask: AskMessage = { ...data, tab };
  if (leader !== null) return answer(ask);
  outstanding.set(ask.id, ask);
  toOthers(ask);
};

others.onmessage = ({ data }: MessageEvent<Between>) => {
  switch (data.kind) {
    case "ask":
      if (leader !== null) answer(data);
      break;
    case "answer":
      if (data.tab === tab && outstanding.delete(data.id)) toTab({ kind: "answer", id: data.id, value: data.value, failed: data.failed });
      break;
    case "tell":
      if (leader === null) toTab(data.told);
      break;
    case "hello":
      if (leader !== null) toOthers({ kind: "tell", told: { kind: "patch", patch: leader.whole() } });
      break;
    case "leader":
      for (const ask of outstanding.values()) again(ask);
      break;
  }
};

toOthers({ kind: "hello", tab });

/** The leader that heard this ask may be gone. */
function again(ask: AskMessage): void {
  if (REPEATABLE.has(ask.name)) return leader === null ? toOthers(ask) : answer(ask);
  outstanding.delete(ask.id);
  const failed = { code: "lost", message: "another tab was closed in the middle of it: look whether it was done" };
  toTab({ kind: "answer", id: ask.id, failed });
}

function answer(ask: AskMessage): void {
  const reply = (part: { value?: unknown; failed?: { code: string; message: string } }) => {
    outstanding.delete(ask.id);
    if (ask.tab === tab) toTab({ kind: "answer", id: ask.id, ...part });
    else toOthers({ kind: "answer", tab: ask.tab, id: ask.id, ...part });
  };
  leader?.ask(ask).then((value) => reply({ value }), (error: unknown) => reply({ failed: describe(error) }));
}

function describe(error: unknown): { code: string; message: string } {
  if (typeof error === "object" && error !== null && "code" in error && "message" in error) {
    return { code: String(error.code), message: String(error.message) };
  }
  return { code: "engine", message: error instanceof Error ? error.message : String(error) };
}
