// What people and conversations are called.
import type { Account, AccountId, Conversation } from "../device/contract";

type Accounts = Record<AccountId, Account>;

/** An account that the directory does not name (yet) is shown by the start of its id rather than by nothing. */
export function nameOf(accounts: Accounts, id: AccountId): string {
  return accounts[id]?.name || `#${id.slice(0, 6)}`;
}

/** `Dr. Anna Meier` is `Dr. Meier` where there is little room; a first name alone would be too familiar on a ward. */
export function shortName(name: string): string {
  const words = name.split(/\s+/);
  if (words.length < 3) return words[0]?.endsWith(".") ? name : (words[0] ?? name);
  return words[0]?.endsWith(".") ? `${words[0]} ${words.at(-1)}` : (words[0] ?? name);
}

/** The other account of a direct conversation. The archive, where it is a member, is nobody's partner. */
export function peerOf(conversation: Conversation, me: AccountId | null, accounts: Accounts): AccountId | null {
  if (conversation.kind !== "direct") return null;
  const others = conversation.accounts.filter((id) => id !== me);
  return others.find((id) => accounts[id]?.level !== "archive") ?? null;
}

export function titleOf(conversation: Conversation, me: AccountId | null, accounts: Accounts): string {
  const peer = peerOf(conversation, me, accounts);
  if (peer) return nameOf(accounts, peer);
  if (conversation.title) return conversation.title;
  return conversation.accounts
    .filter((id) => id !== me && accounts[id]?.level !== "archive")
    .map((id) => nameOf(accounts, id))
    .join(", ");
}

/** Members whom a person would count: without the archive. */
export function peopleOf(conversation: Conversation, accounts: Accounts): AccountId[] {
  return conversation.accounts.filter((id) => accounts[id]?.level !== "archive");
}

export function archiveOf(conversation: Conversation, accounts: Accounts): AccountId | null {
  return conversation.accounts.find((id) => accounts[id]?.level === "archive") ?? null;
}
