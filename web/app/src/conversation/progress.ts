// How far an own message has come, from the receipts of the others. Pure.
import type { Account, AccountId, Conversation, Message } from "../device/contract";

export type Progress = "sending" | "failed" | "sent" | "delivered" | "read";

/** Who has to have it: everybody but oneself, the archive, which acknowledges nothing, and accounts that are gone. */
export function awaited(conversation: Conversation, me: AccountId | null, accounts: Record<AccountId, Account>): AccountId[] {
  return conversation.accounts.filter((id) => id !== me && accounts[id]?.level !== "archive" && !accounts[id]?.deleted);
}

/** The newest places that all of `others` have received, and read. */
export interface Reach {
  delivered: number;
  read: number;
}

export function reachOf(receipts: Conversation["receipts"], others: readonly AccountId[]): Reach {
  if (others.length === 0) return { delivered: 0, read: 0 };
  const of = (id: AccountId) => receipts[id] ?? { delivered: 0, read: 0 };
  return {
    // Who has read it has received it, whichever receipt came first.
    delivered: Math.min(...others.map((id) => Math.max(of(id).delivered, of(id).read))),
    read: Math.min(...others.map((id) => of(id).read)),
  };
}

export function progressOf(message: Message, reach: Reach): Progress {
  if (message.state !== "sent") return message.state;
  if (message.seq <= reach.read) return "read";
  return message.seq <= reach.delivered ? "delivered" : "sent";
}
