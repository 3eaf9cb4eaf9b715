// One conversation in the list.
import { UnstyledButton } from "@mantine/core";
import { memo, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { LiveBadge } from "../broadcasts/parts";
import { awaited, progressOf, reachOf } from "../conversation/progress";
import { isSpoken } from "../conversation/spoken";
import { Ticks } from "../conversation/Ticks";
import { useTypingText } from "../conversation/typing";
import type { Conversation } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { shapeOf } from "../look/face";
import { Icon } from "../look/Icon";
import { peerOf, titleOf } from "../session/naming";
import { useDrafts, useView } from "../session/Session";
import { useLanguage } from "../shell/useLanguage";
import { listTime } from "../time/format";
import { previewOf } from "./preview";
import look from "./list.module.css";

interface Props {
  conversation: Conversation;
  current: boolean;
  nowMs: number;
  open: (conversation: Conversation["id"]) => void;
}

export const ConversationRow = memo(function ConversationRow({ conversation, current, nowMs, open }: Props) {
  const { t } = useTranslation();
  const { language, words } = useLanguage();
  const accounts = useView((view) => view.accounts);
  const me = useView((view) => view.me);
  const peer = peerOf(conversation, me, accounts);
  const online = useView((view) => (peer ? (view.presence[peer]?.online ?? false) : false));
  const drafts = useDrafts();
  const draft = useSyncExternalStore(drafts.subscribe, () => drafts.get(conversation.id));
  const title = titleOf(conversation, me, accounts);
  const { last, unread } = conversation;
  const preview = previewOf(conversation, me, accounts, t);
  const progress = last && last.sender === me && isSpoken(last.body) ? progressOf(last, reachOf(conversation.receipts, awaited(conversation, me, accounts))) : null;
  const drafted = draft !== "" && !current;
  const live = useView((view) => view.broadcasts.some((one) => one.conversation === conversation.id && one.state !== "ended"));
  const typing = useTypingText(conversation);

  return (
    <UnstyledButton className={look.row} data-row data-current={current || undefined} data-unread={unread > 0 || undefined} data-left={conversation.membership === "left" || undefined} aria-current={current ? "page" : undefined} onClick={() => open(conversation.id)}>
      <Avatar id={peer ?? conversation.id} name={title} shape={shapeOf(conversation, peer)} online={online} />
      <span className={look.lines}>
        <span className={look.line}>
          <span className={look.title}>{title}</span>
          {last && <time className={look.time}>{listTime(last.sentAtMs, nowMs, language, words)}</time>}
        </span>
        <span className={look.line}>
          <span className={look.preview} data-missed={preview.missedCall || undefined}>
            {typing !== null ? (
              <em className={look.typing}>{typing}</em>
            ) : drafted ? (
              <>
                <em className={look.draft}>{t("list.draft")}:</em> {draft}
              </>
            ) : (
              <>
                {progress && <Ticks progress={progress} />}
                {preview.missedCall && <Icon name="callIn" size={15} />}
                {preview.sender && <span className={look.sender}>{preview.sender}: </span>}
                {preview.icon && <Icon name={preview.icon} size={15} />}
                {preview.text}
              </>
            )}
          </span>
          {conversation.membership === "left" && <span className={look.tag}>{t("list.left")}</span>}
          {live && <LiveBadge />}
          {unread > 0 && (
            <span className={look.badge}>
              <span aria-hidden="true">{unread > 999 ? "999+" : unread}</span>
              <span className={look.hidden}>{t("app.unread", { count: unread })}</span>
            </span>
          )}
        </span>
      </span>
    </UnstyledButton>
  );
});
