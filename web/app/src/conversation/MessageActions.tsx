// What can be done with one message. Everything that a bubble offers to the mouse is here for the keyboard too.
import { Menu } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { useRef, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import type { FileAbout, Message } from "../device/contract";
import { useCancel, useSave } from "../files/useFile";
import { Icon, type IconName } from "../look/Icon";
import { coordinatesText, validPosition } from "../places/coordinates";
import { useView } from "../session/Session";
import type { MessageRow } from "./rows";
import { type Sort, sortOf, type Spoken, wordsOf } from "./spoken";
import look from "./Bubble.module.css";

interface Props {
  row: MessageRow;
  openInfo: () => void;
  opened: boolean;
  setOpened: (open: boolean) => void;
}

export function MessageActions({ row, openInfo, opened, setOpened }: Props) {
  const { t } = useTranslation();
  const button = useRef<HTMLButtonElement>(null);
  const { message, body, own } = row;
  const target = (
    // Not a stop for Tab: forty of them would stand before the text field. The arrow keys lead here (Timeline).
    <button ref={button} type="button" className={look.actions} aria-label={t("message.actions")} aria-haspopup="menu" tabIndex={-1} data-actions onClick={() => setOpened(true)}>
      <Icon name="more" size={18} />
    </button>
  );
  // A menu costs more than all the rest of a message, and of forty messages on screen at most one has it open.
  if (!opened) return target;
  const close = () => {
    rowOf(button)?.focus({ preventScroll: true });
    setOpened(false);
  };
  return (
    <Menu opened onClose={close} position={own ? "bottom-end" : "bottom-start"} width={220} returnFocus={false}>
      <Menu.Target>{target}</Menu.Target>
      <Menu.Dropdown>
        <MainItem row={row} button={button} />
        <ConfirmItem button={button} />
        <CopyItem body={body} />
        {body.kind === "file" && <FileItems message={message} file={body.file} sort={sortOf(body)} />}
        {own && message.state === "sent" && <Item icon="info" text={t("message.info")} run={openInfo} />}
      </Menu.Dropdown>
    </Menu>
  );
}

function rowOf(button: RefObject<HTMLButtonElement | null>): HTMLElement | null {
  return button.current?.closest<HTMLElement>("[data-index]") ?? null;
}

function Item({ icon, text, run }: { icon: IconName; text: string; run: () => void }) {
  return (
    <Menu.Item leftSection={<Icon name={icon} size={18} />} onClick={run}>
      {text}
    </Menu.Item>
  );
}

const MAIN: Partial<Record<Sort, { icon: IconName; text: "file.view" | "file.play" | "file.playSound" | "place.open" }>> = {
  picture: { icon: "photo", text: "file.view" },
  video: { icon: "play", text: "file.play" },
  sound: { icon: "play", text: "file.playSound" },
  place: { icon: "map", text: "place.open" },
};

/** Does what a tap on the bubble does, where there is such a thing. */
function MainItem({ row, button }: { row: MessageRow; button: RefObject<HTMLButtonElement | null> }) {
  const { t } = useTranslation();
  const main = MAIN[sortOf(row.body)];
  const control = rowOf(button)?.querySelector<HTMLElement>("[data-main]");
  if (!main || !control) return null;
  return <Item icon={main.icon} text={t(main.text)} run={() => control.click()} />;
}

/** As long as there is something to take note of. */
function ConfirmItem({ button }: { button: RefObject<HTMLButtonElement | null> }) {
  const { t } = useTranslation();
  const control = rowOf(button)?.querySelector<HTMLElement>("[data-confirm]");
  if (!control) return null;
  return <Item icon="check" text={t("message.confirm")} run={() => control.click()} />;
}

function CopyItem({ body }: { body: Spoken }) {
  const { t } = useTranslation();
  const clipboard = useClipboard();
  const position = body.kind === "location" ? validPosition(body.place) : null;
  const text = [wordsOf(body), position ? coordinatesText(position) : ""].filter((part) => part !== "").join("\n");
  if (text === "") return null;
  return <Item icon="copy" text={body.kind === "location" ? t("place.copy") : t("message.copy")} run={() => clipboard.copy(text)} />;
}

function FileItems({ message, file, sort }: { message: Message; file: FileAbout; sort: Sort }) {
  const { t } = useTranslation();
  const save = useSave(message, file);
  const cancel = useCancel(message);
  const moving = useView((view) => view.transfers[message.id] !== undefined) || message.state === "sending";
  return (
    <>
      <Item icon="save" text={sort === "document" ? t("file.save") : t("file.saveShown")} run={save} />
      {moving && <Item icon="close" text={t("file.cancel")} run={cancel} />}
    </>
  );
}
