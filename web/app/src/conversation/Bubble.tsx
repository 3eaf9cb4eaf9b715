// One message.
import { Button, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { memo, type CSSProperties, type MouseEvent } from "react";
import { useTranslation } from "react-i18next";
import type { Message } from "../device/contract";
import { FileBody } from "../files/FileBody";
import { frameOf } from "../files/frame";
import { Avatar } from "../look/Avatar";
import { hueOf } from "../look/face";
import { Icon } from "../look/Icon";
import { PlaceBody } from "../places/PlaceBody";
import { explainReason } from "../session/failure";
import { useDevice } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useLanguage } from "../shell/useLanguage";
import { clock, moment } from "../time/format";
import { Delivery } from "./Delivery";
import { linked, onlyEmoji } from "./linked";
import { MessageActions } from "./MessageActions";
import type { MessageRow } from "./rows";
import { sortOf, type Spoken, wordsOf } from "./spoken";
import { TakeNote } from "./TakeNote";
import { Ticks } from "./Ticks";
import { type Progress } from "./progress";
import look from "./Bubble.module.css";

interface Props {
  row: MessageRow;
  /** The sender as groups and channels show it; null in direct conversations and for own messages. */
  author: { name: string; role: string } | null;
  progress: Progress;
  /** An announcement: its reader can say that he has taken note. */
  confirmable: boolean;
}

export const Bubble = memo(
  function Bubble({ row, author, progress, confirmable }: Props) {
    const { t } = useTranslation();
    const { language } = useLanguage();
    const { message, body, own } = row;
    const sort = sortOf(body);
    // A place's words are the heading of what is drawn of it.
    const text = sort === "place" ? "" : wordsOf(body);
    const [infoOpen, info] = useDisclosure(false);
    const [menuOpen, menu] = useDisclosure(false);
    const big = sort === "text" && onlyEmoji(text);
    const showsMeta = row.timed || progress === "sending" || progress === "failed";
    return (
      <div className={look.line} data-own={own || undefined} data-opens={row.opens || undefined} data-closes={row.closes || undefined} data-grouped={author ? true : undefined} data-confirmable={confirmable || undefined}>
        {author && <span className={look.face}>{row.closes && <Avatar id={message.sender} name={author.name} shape="person" size={28} />}</span>}
        <div className={look.column}>
          {author && row.opens && (
            <p className={look.author} style={{ "--hue": hueOf(message.sender) } as CSSProperties}>
              <strong>{author.name}</strong>
              {author.role !== "" && <span>{author.role}</span>}
            </p>
          )}
          <div className={look.bubbleLine}>
            <div className={look.bubble} data-sort={sort} data-bare={text === "" || undefined} data-big={big || undefined} style={widthOf(body)} data-failed={progress === "failed" || undefined} title={moment(message.sentAtMs, language)} onContextMenu={(event) => opensMenu(event) && menu.open()}>
              {body.kind === "file" && <FileBody message={message} file={body.file} />}
              {body.kind === "location" && <PlaceBody place={body.place} />}
              {text !== "" && (
                <span className={look.text} dir="auto">
                  {linked(text)}
                </span>
              )}
              {showsMeta && (
                <span className={look.meta}>
                  <time dateTime={new Date(message.sentAtMs).toISOString()}>{clock(message.sentAtMs, language)}</time>
                  {own && <Ticks progress={progress} />}
                </span>
              )}
            </div>
            <MessageActions row={row} openInfo={info.open} opened={menuOpen} setOpened={(open) => (open ? menu.open() : menu.close())} />
          </div>
          {message.state === "failed" && <FailedActions message={message} />}
        </div>
        {confirmable && <TakeNote message={message} body={body} author={author?.name ?? ""} />}
        {infoOpen && (
          <Modal opened onClose={info.close} title={t("message.info")} closeButtonProps={{ "aria-label": t("app.close") }} size="sm">
            <Delivery message={message} />
          </Modal>
        )}
      </div>
    );
  },
  // Rows are made anew with each message; what is drawn of them has rarely changed.
  (before, after) =>
    before.progress === after.progress &&
    before.confirmable === after.confirmable &&
    before.author?.name === after.author?.name &&
    before.author?.role === after.author?.role &&
    before.row.message === after.row.message &&
    before.row.opens === after.row.opens &&
    before.row.closes === after.row.closes &&
    before.row.timed === after.row.timed,
);

/** A caption goes no wider than its picture. */
function widthOf(body: Spoken): CSSProperties | undefined {
  const sort = sortOf(body);
  if (body.kind !== "file" || (sort !== "picture" && sort !== "video")) return undefined;
  return { "--frame": `${frameOf(body.file.width, body.file.height).width}px` } as CSSProperties;
}

/** A right click or a long press, but not where the browser's own menu is of use: on a link or a selection. */
function opensMenu(event: MouseEvent): boolean {
  const { target } = event;
  if ((target instanceof Element && target.closest("a")) || window.getSelection()?.type === "Range") return false;
  event.preventDefault();
  return true;
}

function FailedActions({ message }: { message: Message }) {
  const { t } = useTranslation();
  const device = useDevice();
  const about = message.body.kind === "file" ? "file" : "message";
  const command = useCommand(about);
  return (
    <div className={look.failure} role="alert">
      <span>{command.failure ?? t("message.failed", { reason: message.error === null ? t("error.internal") : explainReason(message.error, t, about) })}</span>
      <span className={look.failureActions}>
        <Button size="compact-sm" variant="light" leftSection={<Icon name="retry" size={15} />} loading={command.busy} onClick={() => void command.run(() => device.retry(message.conversation, message.id))}>
          {t("message.retry")}
        </Button>
        <Button size="compact-sm" variant="subtle" color="red" disabled={command.busy} onClick={() => void command.run(() => device.discard(message.conversation, message.id))}>
          {t("message.discard")}
        </Button>
      </span>
    </div>
  );
}
