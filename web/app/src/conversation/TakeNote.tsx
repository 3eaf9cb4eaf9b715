// Below an announcement: its reader says that he has taken note, or sees that he has.
import { Loader } from "@mantine/core";
import { useEffect, useRef, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import type { Message } from "../device/contract";
import { Icon } from "../look/Icon";
import { useConfirmations, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useLanguage } from "../shell/useLanguage";
import { moment } from "../time/format";
import { type Spoken, summaryOf } from "./spoken";
import look from "./Bubble.module.css";

/** What is scrolled by faster is not asked for. */
const SETTLED_MS = 150;
/** Of a message's text, to tell its button from the others. */
const NAMED_CHARS = 60;

export function TakeNote({ message, body, author }: { message: Message; body: Spoken; author: string }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const confirmations = useConfirmations();
  const connection = useView((view) => view.connection.state);
  const { busy, failure, run } = useCommand();
  const line = useRef<HTMLDivElement>(null);
  const atMs = useSyncExternalStore(confirmations.subscribe, () => confirmations.get(message.id));
  useEffect(() => {
    // It will be known in a moment whether there is anybody to ask.
    if (connection === "connecting") return;
    const asking = setTimeout(() => void confirmations.ask(message), SETTLED_MS);
    return () => clearTimeout(asking);
  }, [confirmations, message, connection]);

  const confirm = async () => {
    if (!(await run(() => confirmations.confirm(message)))) return;
    // The button is gone, and the focus with it, unless it went elsewhere meanwhile.
    if (document.activeElement === document.body) line.current?.closest<HTMLElement>("[data-index]")?.focus({ preventScroll: true });
  };
  return (
    <div ref={line} className={look.note}>
      {atMs === null && (
        <button type="button" className={look.confirm} data-confirm aria-label={t("message.confirmOne", { name: author, text: startOf(summaryOf(body, t)) })} aria-busy={busy} onClick={() => void confirm()}>
          {t("message.confirm")}
          {busy && (
            <span className={look.busy}>
              <Loader size={15} />
            </span>
          )}
        </button>
      )}
      {typeof atMs === "number" && (
        <span className={look.confirmed} title={moment(atMs, language)}>
          <Icon name="check" size={15} />
          {t("message.confirmed")}
        </span>
      )}
      {failure !== null && (
        <span className={look.notConfirmed} role="alert">
          {failure}
        </span>
      )}
    </div>
  );
}

function startOf(text: string): string {
  const chars = [...text];
  return chars.length <= NAMED_CHARS ? text : `${chars.slice(0, NAMED_CHARS).join("").trimEnd()} …`;
}
