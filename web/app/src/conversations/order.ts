// Which conversations and people a search finds, and in which order. Pure.
import type { Account, AccountId, Conversation } from "../device/contract";
import { peerOf, titleOf } from "../session/naming";

/** Without case and accents: `Öz` is found by `oz`. */
export function folded(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** Every word of the query begins a word of the text. */
export function matches(query: string, ...texts: string[]): boolean {
  const words = folded(texts.join(" ")).split(/[\s.,/()-]+/);
  return folded(query)
    .split(/\s+/)
    .filter((part) => part !== "")
    .every((part) => words.some((word) => word.startsWith(part)));
}

function newestMs(conversation: Conversation): number {
  return conversation.last?.sentAtMs ?? 0;
}

/** Newest first, as the contract promises; once more, because a conversation without a message has no time, and one that was left is of the past. */
export function inOrder(conversations: readonly Conversation[]): Conversation[] {
  const rank = (conversation: Conversation) => (conversation.membership === "left" && conversation.unread === 0 ? 1 : 0);
  return conversations.toSorted((a, b) => rank(a) - rank(b) || newestMs(b) - newestMs(a));
}

export function findConversations(conversations: readonly Conversation[], query: string, me: AccountId | null, accounts: Record<AccountId, Account>): Conversation[] {
  const byTitle = (conversation: Conversation) => matches(query, titleOf(conversation, me, accounts));
  const byRole = (conversation: Conversation) => {
    const peer = peerOf(conversation, me, accounts);
    return peer !== null && matches(query, titleOf(conversation, me, accounts), accounts[peer]?.role ?? "");
  };
  // Who is called so stands before who works there.
  const titled = conversations.filter(byTitle);
  return [...titled, ...conversations.filter((conversation) => !titled.includes(conversation) && byRole(conversation))];
}

/** People that one can write to, by name. */
export function reachable(accounts: Record<AccountId, Account>, me: AccountId | null): Account[] {
  return Object.values(accounts)
    .filter((account) => account.id !== me && !account.deleted && account.level !== "archive")
    .sort((a, b) => byName(a.name, b.name));
}

/** One for all: making it costs more than a thousand comparisons. */
const ALPHABET = new Intl.Collator("de");

export function byName(a: string, b: string): number {
  return ALPHABET.compare(sortName(a), sortName(b));
}

/** Titles do not decide where in the alphabet a person stands. */
function sortName(name: string): string {
  return name.replace(/^((prof|dr|pd|med|dipl)\.?\s+)+/i, "");
}

export function findPeople(people: readonly Account[], query: string): Account[] {
  return people.filter((account) => matches(query, account.name, account.role));
}
