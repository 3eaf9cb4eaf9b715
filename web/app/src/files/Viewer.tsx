// One picture on the whole screen, and from it to the others of the conversation.
import { Modal } from "@mantine/core";
import { useEffect, useSyncExternalStore, type KeyboardEvent, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { ConversationId, FileAbout, Message, MessageId } from "../device/contract";
import { Icon, type IconName } from "../look/Icon";
import { explain } from "../session/failure";
import { nameOf } from "../session/naming";
import { useHistories, useView } from "../session/Session";
import { useFocusBack } from "../shell/useFocusBack";
import { useLanguage } from "../shell/useLanguage";
import { moment } from "../time/format";
import { kindOf } from "./kind";
import { Ring } from "./Ring";
import { AUTO_BYTES_MAX, type FileState, useFile } from "./useFile";
import { useThumbnail } from "./useThumbnail";
import { useZoom, type Zooming } from "./useZoom";
import look from "./Viewer.module.css";

interface Picture {
  message: Message;
  file: FileAbout;
}

function picturesOf(messages: readonly Message[]): Picture[] {
  return messages.flatMap((message) => (message.body.kind === "file" && kindOf(message.body.file.mime) === "picture" ? [{ message, file: message.body.file }] : []));
}

interface Props {
  conversation: ConversationId;
  message: MessageId;
  show: (message: MessageId) => void;
  close: () => void;
}

export function Viewer({ conversation, message, show, close }: Props) {
  const { t } = useTranslation();
  useFocusBack();
  const histories = useHistories();
  const history = useSyncExternalStore(histories.subscribe, () => histories.get(conversation));
  const pictures = picturesOf(history.messages);
  const at = pictures.findIndex((one) => one.message.id === message);
  const current = pictures[at];
  useEffect(() => {
    // It was discarded, or cancelled, while it was looked at.
    if (!current) close();
  }, [current, close]);
  if (!current) return null;
  const step = (by: 1 | -1) => {
    const next = pictures[at + by];
    if (next) show(next.message.id);
  };
  return (
    <Modal.Root opened onClose={close} fullScreen lockScroll={false}>
      <Modal.Content className={look.viewer} radius={0} aria-label={t("file.viewer")}>
        <Modal.Body className={look.body}>
          <Shown picture={current} at={at} count={pictures.length} step={step} close={close} />
          {[pictures[at - 1], pictures[at + 1]].map((beside) => beside && beside.file.bytes <= AUTO_BYTES_MAX && <Beside key={beside.message.id} picture={beside} />)}
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}

/** Fetches what one is likely to see next. */
function Beside({ picture: { message, file } }: { picture: Picture }) {
  useFetched(useFile(message, file));
  return null;
}

function useFetched({ content, open }: FileState): void {
  const absent = content.state === "absent" && !content.stopped;
  useEffect(() => {
    if (absent) open();
  }, [absent, open]);
}

interface ShownProps {
  picture: Picture;
  at: number;
  count: number;
  step: (by: 1 | -1) => void;
  close: () => void;
}

function Shown({ picture: { message, file }, at, count, step, close }: ShownProps) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const name = useView((view) => nameOf(view.accounts, message.sender));
  const state = useFile(message, file);
  useFetched(state);
  const zooming = useZoom(message.id, step);
  return (
    <div className={look.shown} onKeyDown={(event) => keys(event, zooming, step)}>
      <header className={look.head}>
        <Tool icon="close" label={t("app.close")} run={close} focused />
        <div className={look.who}>
          <strong>{name}</strong>
          <span>
            {moment(message.sentAtMs, language)}
            {count > 1 && ` · ${t("file.position", { at: at + 1, count })}`}
          </span>
        </div>
        <Tool icon="minus" label={t("file.zoomOut")} run={zooming.farther} off={zooming.zoom.scale <= 1} />
        <Tool icon="plus" label={t("file.zoomIn")} run={zooming.nearer} />
        <Tool icon="save" label={t("file.saveShown")} run={state.save} />
      </header>
      <Stage file={file} state={state} zooming={zooming}>
        {count > 1 && <Tool icon="back" label={t("file.previous")} run={() => step(-1)} off={at === 0} side="left" />}
        {count > 1 && <Tool icon="forward" label={t("file.next")} run={() => step(1)} off={at === count - 1} side="right" />}
      </Stage>
      {file.caption !== "" && (
        <p className={look.caption} dir="auto">
          {file.caption}
        </p>
      )}
    </div>
  );
}

function Stage({ file, state, zooming, children }: { file: FileAbout; state: FileState; zooming: Zooming; children: ReactNode }) {
  const { t } = useTranslation();
  const thumbnail = useThumbnail(file.thumbnail);
  const { content, transfer } = state;
  const { scale, x, y } = zooming.zoom;
  const here = content.state === "here";
  const source = here ? content.url : thumbnail;
  return (
    <div className={look.stage}>
      <div ref={zooming.stage} className={look.ground} data-near={scale > 1 || undefined} {...zooming.handlers}>
        {source && <img ref={zooming.picture} className={look.picture} data-waits={!here || undefined} src={source} alt={file.caption || t("file.picture")} width={file.width || undefined} height={file.height || undefined} draggable={false} style={{ transform: `translate(${x}px, ${y}px) scale(${scale})` }} />}
      </div>
      {(transfer || content.state === "coming") && (
        <div className={look.middle}>
          <Ring transfer={transfer} cancel={state.cancel} />
        </div>
      )}
      {(content.state === "failed" || (content.state === "absent" && content.stopped)) && (
        <div className={look.middle} role="alert">
          {content.state === "failed" && <span>{explain(content.failure, t, "file")}</span>}
          <button type="button" onClick={state.open}>
            <Icon name="retry" size={18} /> {t("app.retry")}
          </button>
        </div>
      )}
      {children}
    </div>
  );
}

function Tool({ icon, label, run, off = false, focused = false, side }: { icon: IconName; label: string; run: () => void; off?: boolean; focused?: boolean; side?: "left" | "right" }) {
  return (
    // Not `disabled`: at the last picture the focus would be lost, and the keys with it.
    <button type="button" className={look.tool} data-side={side} aria-label={label} title={label} aria-disabled={off || undefined} data-autofocus={focused || undefined} onClick={run}>
      <Icon name={icon} size={23} />
    </button>
  );
}

function keys(event: KeyboardEvent, zooming: Zooming, step: (by: 1 | -1) => void): void {
  const near = zooming.zoom.scale > 1;
  const acts: Record<string, () => void> = {
    ArrowLeft: () => (near ? zooming.drag(-1, 0) : step(-1)),
    ArrowRight: () => (near ? zooming.drag(1, 0) : step(1)),
    ArrowUp: () => zooming.drag(0, -1),
    ArrowDown: () => zooming.drag(0, 1),
    "+": zooming.nearer,
    "-": zooming.farther,
  };
  const act = acts[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
}
