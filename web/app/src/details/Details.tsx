// The third pane: who is in a conversation, or who one person is.
import { useTranslation } from "react-i18next";
import type { AccountId, ConversationId } from "../device/contract";
import { PaneHeader } from "../conversations/PaneHeader";
import { peerOf } from "../session/naming";
import { useView } from "../session/Session";
import { useNavigation } from "../shell/place";
import { GroupDetails } from "./GroupDetails";
import { PersonDetails } from "./PersonDetails";
import look from "./details.module.css";

export function Details({ conversation: id, person, alone }: { conversation: ConversationId; person: AccountId | null; alone: boolean }) {
  const { t } = useTranslation();
  const { back } = useNavigation();
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  const conversation = useView((view) => view.conversations.find((other) => other.id === id));
  if (!conversation) return null;
  const shown = person ?? peerOf(conversation, me, accounts);
  const title = shown ? t("details.person") : t(conversation.kind === "channel" ? "details.channel" : "details.group");
  const Frame = alone ? "main" : "aside";
  return (
    <Frame className={look.details} id={alone ? "main" : undefined} tabIndex={alone ? -1 : undefined} aria-label={title}>
      <PaneHeader title={title} back={back} icon={person !== null || alone ? "back" : "close"} />
      <div className={look.scroll}>{shown ? <PersonDetails id={shown} conversation={conversation} /> : <GroupDetails conversation={conversation} />}</div>
    </Frame>
  );
}
