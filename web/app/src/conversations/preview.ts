// The second line of a conversation in the list. Pure.
import type { TFunction } from "i18next";
import type { Account, AccountId, Conversation } from "../device/contract";
import { type Sort, sortOf, summaryOf } from "../conversation/spoken";
import type { IconName } from "../look/Icon";
import { nameOf, shortName } from "../session/naming";

const ICONS: Record<Sort, IconName | null> = { text: null, picture: "photo", video: "video", sound: "sound", document: "document", place: "pin" };

export interface Preview {
  /** Who said it, where more than one other can. */
  sender: string | null;
  text: string;
  missedCall: boolean;
  /** What sort of thing it is, where the words are not all. */
  icon: IconName | null;
}

export function previewOf(conversation: Conversation, me: AccountId | null, accounts: Record<AccountId, Account>, t: TFunction): Preview {
  const plain = (text: string, missedCall = false): Preview => ({ sender: null, text, missedCall, icon: null });
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
    case "broadcast": {
      const title = last.body.title.trim();
      return { ...plain(title === "" ? t("broadcast.one") : t("broadcast.named", { title })), icon: "broadcast" };
    }
    case "text":
    case "file":
    case "location": {
      const sender = conversation.kind === "direct" ? null : own ? t("list.you") : shortName(nameOf(accounts, last.sender));
      return { sender, text: summaryOf(last.body, t), missedCall: false, icon: ICONS[sortOf(last.body)] };
    }
  }
}
