// Where one writes.
import { ActionIcon } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useEffect, useId, useLayoutEffect, useRef, useState, useSyncExternalStore, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { ConversationId } from "../device/contract";
import { Icon } from "../look/Icon";
import { explain } from "../session/failure";
import { useDevice, useDrafts } from "../session/Session";
import { Failure } from "../signin/Failure";
import { sends } from "./composerKeys";
import { EmojiPicker } from "./EmojiPicker";
import { useShowTyping } from "./typing";
import look from "./Composer.module.css";

/** Well below what a message may hold in bytes, also for scripts with 4 bytes to a character. */
const CHARS_MAX = 8000;
const HEIGHT_MAX_PX = 168;

interface Props {
  conversation: ConversationId;
  title: string;
  onSent: () => void;
  /** What opens the other things that can be sent. */
  attach: ReactNode;
}

export function Composer({ conversation, title, onSent, attach }: Props) {
  const { t } = useTranslation();
  const device = useDevice();
  const drafts = useDrafts();
  const text = useSyncExternalStore(drafts.subscribe, () => drafts.get(conversation));
  const [failure, setFailure] = useState<unknown>(null);
  const showTyping = useShowTyping(conversation);
  const field = useRef<HTMLTextAreaElement>(null);
  const phone = useMediaQuery("(pointer: coarse)", undefined, { getInitialValueInEffect: false }) ?? false;
  const hint = useId();
  const tooLong = text.length > CHARS_MAX;

  useEffect(() => {
    // On a phone the keyboard would cover half of what one came to read.
    if (!phone) field.current?.focus({ preventScroll: true });
  }, [phone]);

  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, HEIGHT_MAX_PX)}px`;
  }, [text]);

  const send = () => {
    const body = text.trim();
    if (body === "" || tooLong) return;
    // At once, so that the next message can be written; it comes back if the outbox does not take it.
    drafts.set(conversation, "");
    showTyping("");
    onSent();
    setFailure(null);
    // Not one after the other: who types fast must not wait, and the device keeps the order in which it is asked.
    device.send(conversation, body).catch((error: unknown) => {
      setFailure(error);
      const typed = drafts.get(conversation);
      drafts.set(conversation, typed === "" ? body : `${body}\n${typed}`);
    });
    field.current?.focus({ preventScroll: true });
  };

  const insert = (emoji: string) => {
    const element = field.current;
    const at = element?.selectionStart ?? text.length;
    const to = element?.selectionEnd ?? at;
    drafts.set(conversation, text.slice(0, at) + emoji + text.slice(to));
    requestAnimationFrame(() => {
      element?.focus();
      element?.setSelectionRange(at + emoji.length, at + emoji.length);
    });
  };

  return (
    <div className={look.composer}>
      <Failure text={tooLong ? t("composer.tooLong", { max: CHARS_MAX }) : failure === null ? null : explain(failure, t)} />
      <form
        className={look.bar}
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        {attach}
        <EmojiPicker choose={insert} disabled={false} />
        <textarea
          ref={field}
          className={look.field}
          rows={1}
          value={text}
          onChange={(event) => {
            drafts.set(conversation, event.currentTarget.value);
            showTyping(event.currentTarget.value);
          }}
          onKeyDown={(event) => {
            if (!sends({ ...modifiers(event), key: event.key, isComposing: event.nativeEvent.isComposing }, phone)) return;
            event.preventDefault();
            send();
          }}
          placeholder={t("composer.placeholder")}
          aria-label={t("composer.label", { name: title })}
          aria-describedby={phone ? undefined : hint}
          aria-invalid={tooLong || undefined}
          enterKeyHint={phone ? "enter" : "send"}
          dir="auto"
        />
        {!phone && (
          <span id={hint} hidden>
            {t("composer.hint")}
          </span>
        )}
        <ActionIcon type="submit" variant="filled" size={40} aria-label={t("composer.send")} disabled={text.trim() === "" || tooLong}>
          <Icon name="send" size={21} />
        </ActionIcon>
      </form>
    </div>
  );
}

function modifiers(event: { shiftKey: boolean; ctrlKey: boolean; metaKey: boolean }) {
  return { shiftKey: event.shiftKey, ctrlKey: event.ctrlKey, metaKey: event.metaKey };
}
