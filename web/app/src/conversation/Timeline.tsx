// The messages of a conversation. Only what is near the window is in the document, however long the history is.
import { ActionIcon, Button, Loader } from "@mantine/core";
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import type { Account, AccountId, Conversation } from "../device/contract";
import { Icon } from "../look/Icon";
import { archiveOf, nameOf } from "../session/naming";
import { useDevice, useHistories, useView } from "../session/Session";
import { useAttention } from "../shell/useAttention";
import { useLanguage } from "../shell/useLanguage";
import { useNow } from "../shell/useNow";
import { dayLabel } from "../time/format";
import { Bubble } from "./Bubble";
import { newBelow, rowsOf, type Row } from "./rows";
import { SystemRow } from "./SystemRow";
import { awaited, progressOf, reachOf, type Reach } from "./progress";
import { useNewLine } from "./useNewLine";
import { useTimelineScroll } from "./useTimelineScroll";
import look from "./Timeline.module.css";

interface Props {
  conversation: Conversation;
  title: string;
  callBack: ((video: boolean) => void) | null;
  /** Changes each time something is sent from here. */
  sentCount: number;
}

export function Timeline({ conversation, title, callBack, sentCount }: Props) {
  const { t } = useTranslation();
  const device = useDevice();
  const histories = useHistories();
  const accounts = useView((view) => view.accounts);
  const me = useView((view) => view.me);
  const attention = useAttention();
  const { id } = conversation;
  const history = useSyncExternalStore(histories.subscribe, () => histories.get(id));
  const line = useNewLine(conversation, attention);

  const shown = useMemo(
    () => ({ messages: history.messages, more: history.more || history.state === "empty" || history.state === "loading", me, newAfterSeq: line.afterSeq }),
    [history, me, line.afterSeq],
  );
  const rows = useMemo(() => rowsOf(shown), [shown]);
  const newCount = useMemo(() => newBelow(shown, line.count), [shown, line.count]);
  const older = useCallback(() => void histories.older(id), [histories, id]);
  const { box, virtualizer, containerRef, atEnd, toEnd } = useTimelineScroll({ rows, startKey: line.afterSeq === null ? null : "new", more: history.more && history.state === "ready", older });

  const reach = useMemo(() => reachOf(conversation.receipts, awaited(conversation, me, accounts)), [conversation, me, accounts]);

  // Sending is an answer: what was new is read, and one wants to see what one wrote.
  const sent = useRef(sentCount);
  useEffect(() => {
    if (sent.current === sentCount) return;
    sent.current = sentCount;
    line.clear();
    toEnd(false);
  });

  const items = virtualizer.getVirtualItems();
  const lowest = items.findLast((item) => item.start < (virtualizer.scrollOffset ?? 0) + (virtualizer.scrollRect?.height ?? 0));
  const seen = atEnd ? conversation.headSeq : seqAt(rows, lowest?.index ?? -1);
  const ready = history.state === "ready";
  useEffect(() => {
    if (!attention || !ready || conversation.unread === 0 || seen <= conversation.readSeq) return;
    // It is asked again with the next message or scroll; what is not acknowledged stays unread, which everybody sees.
    device.markRead(id, seen).catch((error: unknown) => console.debug("marking read:", error));
  }, [attention, ready, conversation.unread, conversation.readSeq, seen, device, id]);

  return (
    <div className={look.frame}>
      {history.state === "loading" && (
        <div className={look.loading} role="status">
          <Loader size={16} />
          <span>{t("conversation.older")}</span>
        </div>
      )}
      {history.state === "failed" && (
        <div className={look.loading} role="alert">
          <span>{t("conversation.olderFailed")}</span>
          <Button size="compact-sm" variant="light" onClick={() => void histories.open(id, conversation.unread)}>
            {t("app.retry")}
          </Button>
        </div>
      )}
      <div ref={box} className={look.scroll} role="log" aria-live="off" aria-label={t("conversation.messages", { name: title })} tabIndex={0} onKeyDown={(event) => walk(event, rows, virtualizer.scrollToIndex)}>
        <div ref={containerRef} className={look.content}>
          {items.map((item) => {
            const row = rows[item.index];
            return (
              row && (
                <div key={item.key} ref={virtualizer.measureElement} data-index={item.index} data-row-kind={row.kind} className={look.row} tabIndex={row.kind === "message" ? -1 : undefined}>
                  <RowContent row={row} conversation={conversation} accounts={accounts} reach={reach} newCount={newCount} callBack={callBack} />
                </div>
              )
            );
          })}
        </div>
      </div>
      {!atEnd && (
        <ActionIcon className={look.jump} variant="default" size={44} aria-label={conversation.unread > 0 ? t("conversation.jumpNew", { count: conversation.unread }) : t("conversation.jump")} onClick={() => toEnd(false)}>
          <Icon name="down" />
          {conversation.unread > 0 && <span className={look.jumpCount}>{conversation.unread}</span>}
        </ActionIcon>
      )}
    </div>
  );
}

/** The newest place at or above a row: rows of days have none, waiting messages have 0. */
function seqAt(rows: readonly Row[], index: number): number {
  for (let at = index; at >= 0; at -= 1) {
    const row = rows[at];
    if (row && "message" in row && row.message.seq > 0) return row.message.seq;
  }
  return 0;
}

/** The arrow keys go from message to message; Enter opens the menu of the one that one is at. */
function walk(event: KeyboardEvent<HTMLElement>, rows: readonly Row[], scrollTo: (index: number, options: { align: "auto" }) => void): void {
  const at = document.activeElement;
  if (!(at instanceof HTMLElement)) return;
  const index = Number(at.dataset.index ?? Number.NaN);
  if (event.key === "Enter" && !Number.isNaN(index)) {
    // Else the same key press would go on to the menu that it opens, and close it or choose its first entry.
    event.preventDefault();
    event.stopPropagation();
    return at.querySelector<HTMLElement>("[data-actions]")?.click();
  }
  if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
  if (Number.isNaN(index) && at !== event.currentTarget) return;
  const step = event.key === "ArrowUp" ? -1 : 1;
  let next = Number.isNaN(index) ? rows.length - 1 : index + step;
  while (rows[next] && rows[next]?.kind !== "message") next += step;
  if (!rows[next]) return;
  event.preventDefault();
  scrollTo(next, { align: "auto" });
  const box = event.currentTarget;
  requestAnimationFrame(() => box.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus({ preventScroll: true }));
}

interface RowProps {
  row: Row;
  conversation: Conversation;
  accounts: Record<AccountId, Account>;
  reach: Reach;
  newCount: number;
  callBack: ((video: boolean) => void) | null;
}

function RowContent({ row, conversation, accounts, reach, newCount, callBack }: RowProps) {
  const { t } = useTranslation();
  switch (row.kind) {
    case "start":
      return (
        <p className={look.start}>
          <Icon name="lock" size={15} />
          <span>{t(archiveOf(conversation, accounts) ? "conversation.beginningArchive" : conversation.kind === "channel" ? "conversation.beginningChannel" : "conversation.beginning")}</span>
        </p>
      );
    case "day":
      return <DayRow atMs={row.atMs} />;
    case "new":
      return (
        <p className={look.newLine}>
          <span>{t("conversation.newMessages", { count: newCount })}</span>
        </p>
      );
    case "system":
      return <SystemRow message={row.message} body={row.body} own={row.own} callBack={callBack} />;
    case "message": {
      const author = row.own || conversation.kind === "direct" ? null : { name: nameOf(accounts, row.message.sender), role: accounts[row.message.sender]?.role ?? "" };
      const confirmable = conversation.kind === "channel" && conversation.membership === "joined" && !conversation.maySpeak && !row.own;
      return <Bubble row={row} author={author} progress={progressOf(row.message, reach)} confirmable={confirmable} />;
    }
  }
}

function DayRow({ atMs }: { atMs: number }) {
  const { language, words } = useLanguage();
  const now = useNow(60_000);
  return (
    <p className={look.day}>
      <span>{dayLabel(atMs, now, language, words)}</span>
    </p>
  );
}
