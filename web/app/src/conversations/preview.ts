// The second line of a conversation in the list. Pure.
import type { TFunction } from "i18next";
import type { Account, AccountId, Conversation } from "../device/contract";
import { nameOf, shortName } from "../session/naming";

export interface Preview {
  /** Who said it, in groups. */
  sender: string | null;
  text: string;
  missedCall: boolean;
}

export function previewOf(conversation: Conversation, me: AccountId | null, accounts: Record<AccountId, Account>, t: TFunction): Preview {
  const plain = (text: string, missedCall = false): Preview => ({ sender: null, text, missedCall });
  if (conversation.membership === "joining") return plain(t("list.joining"));
  const { last } = conversation;
  if (last === null) return plain(t("list.noMessages"));
  const own = last.sender === me;
  switch (last.body.kind) {
    case "title":
      return plain(t("list.calledTitle", { title: last.body.title }));
    case "call": {
      const { answered, video } = last.body;
      if (!answered) return own ? plain(t("list.unanswered")) : plain(t(video ? "list.missedVideo" : "list.missedCall"), true);
      if (video) return plain(own ? t("list.videoOut") : t("list.videoIn"));
      return plain(own ? t("list.callOut") : t("list.callIn"));
    }
    case "text": {
      // One line: a line break would hide what follows it.
      const text = last.body.text.replace(/\s+/g, " ").trim();
      if (conversation.kind === "direct") return plain(text);
      return { sender: own ? t("list.you") : shortName(nameOf(accounts, last.sender)), text, missedCall: false };
    }
  }
}
