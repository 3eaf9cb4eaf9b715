// What a bubble needs of its file: how far it is, and what one can do with it.
import { useCallback, useEffect, useState, useSyncExternalStore, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import type { FileAbout, Message, Transfer } from "../device/contract";
import { useContents, useDevice, useView } from "../session/Session";
import type { Content } from "./contents";
import { kindOf } from "./kind";
import { savedName } from "./name";
import { save } from "./save";

/** A picture up to this size is fetched as soon as it is seen; larger ones, films and documents when somebody wants them. */
export const AUTO_BYTES_MAX = 5_000_000;

export interface FileState {
  content: Content;
  transfer: Transfer | undefined;
  open(): void;
  save(): void;
  /** Stops what is on its way; an own message that is not out yet vanishes. */
  cancel(): void;
}

export function useFile(message: Message, file: FileAbout): FileState {
  const contents = useContents();
  const transfer = useView((view) => view.transfers[message.id]);
  const content = useSyncExternalStore(contents.subscribe, () => contents.get(message.id));
  useEffect(() => contents.hold(message.id), [contents, message.id]);
  // Why it failed stands in the content's state.
  const open = useCallback(() => void contents.open(message).catch(() => undefined), [contents, message]);
  return { content, transfer, open, save: useSave(message, file), cancel: useCancel(message) };
}

export function useSave(message: Message, file: FileAbout): () => void {
  const { t } = useTranslation();
  const contents = useContents();
  return useCallback(() => {
    const name = savedName(file.name, file.mime, t("file.unnamed"));
    contents.open(message).then((content) => save(content, name), () => undefined);
  }, [contents, message, file, t]);
}

export function useCancel(message: Message): () => void {
  const device = useDevice();
  return useCallback(() => {
    // It had arrived already, which the bubble shows.
    device.cancelFile(message.conversation, message.id).catch((error: unknown) => console.debug("cancelling:", error));
  }, [device, message.conversation, message.id]);
}

/** Fetches a picture by itself once it is seen, if it is small or already on this device. */
export function useAutomatic(message: Message, file: FileAbout, state: FileState, box: RefObject<HTMLElement | null>): void {
  const small = message.state === "sent" && file.bytes <= AUTO_BYTES_MAX;
  const here = useHere(message, !small);
  const seen = useSeen(box);
  const { content, open } = state;
  const wanted = seen && (small || here) && kindOf(file.mime) === "picture" && content.state === "absent" && !content.stopped;
  useEffect(() => {
    if (wanted) open();
  }, [wanted, open]);
}

/** Whether the content is on this device; asked only where it matters. */
export function useHere(message: Message, matters: boolean): boolean {
  const device = useDevice();
  const [here, setHere] = useState(false);
  const { conversation, id, state } = message;
  useEffect(() => {
    if (!matters) return;
    let late = false;
    device.hasFile(conversation, id).then(
      (has) => late || setHere(has),
      // Then it has to be fetched, and that will say why it cannot be.
      () => undefined,
    );
    return () => {
      late = true;
    };
  }, [device, conversation, id, state, matters]);
  return here;
}

function useSeen(box: RefObject<HTMLElement | null>): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (!element || seen) return;
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true));
    observer.observe(element);
    return () => observer.disconnect();
  }, [box, seen]);
  return seen;
}
