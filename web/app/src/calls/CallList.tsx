// All calls of all conversations, newest first; the ones that were missed in red. One press calls back.
import { ActionIcon, Tooltip, UnstyledButton } from "@mantine/core";
import { useEffect, useRef, type UIEvent } from "react";
import { useTranslation } from "react-i18next";
import { ListHeader } from "../conversations/ListHeader";
import { moveFocus } from "../conversations/rowFocus";
import type { Conversation, Message } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { Icon } from "../look/Icon";
import { nameOf, peerOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useNavigation } from "../shell/place";
import { useAttention } from "../shell/useAttention";
import { useLanguage } from "../shell/useLanguage";
import { useNow } from "../shell/useNow";
import { Failure } from "../signin/Failure";
import { clock, dayLabel, dayOf, duration } from "../time/format";
import { beganMs, useCalls } from "./useCalls";
import { callWord } from "./words";
import listLook from "../conversations/list.module.css";
import look from "./callList.module.css";

/** Older ones are fetched when fewer pixels than this are left below. */
const AHEAD_PX = 600;

export function CallList() {
  const { t } = useTranslation();
  const { language, words } = useLanguage();
  const device = useDevice();
  const calls = useCalls();
  const command = useCommand();
  const now = useNow(60_000);
  const pane = useRef<HTMLDivElement>(null);
  const looking = useAttention();
  const missed = useView((view) => view.missedCalls);
  useEffect(() => {
    if (looking && missed > 0) void device.markCallsSeen().catch(() => undefined); // shown again until it is stored
  }, [looking, missed, device]);

  const scrolled = ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }: UIEvent) => {
    if (scrollHeight - scrollTop - clientHeight < AHEAD_PX) calls.older();
  };
  const callBack = (conversation: string, video: boolean) => void command.run(() => device.startCall(conversation, video));

  return (
    <div className={listLook.pane} ref={pane}>
      <ListHeader />
      <Failure text={command.failure ?? (calls.failed ? t("calls.failed") : null)} />
      <nav className={listLook.scroll} aria-label={t("calls.title")} onScroll={scrolled} onKeyDown={(event) => moveFocus(pane.current, event)}>
        {byDay(calls.list).map(([day, list]) => (
          <section key={day} aria-label={dayLabel(day, now, language, words)}>
            <h2 className={listLook.section}>{dayLabel(day, now, language, words)}</h2>
            <ul>
              {list.map((message) => (
                <li key={message.id} className={listLook.item}>
                  <CallRow message={message} callBack={callBack} busy={command.busy} />
                </li>
              ))}
            </ul>
          </section>
        ))}
        {calls.loaded && calls.list.length === 0 && (
          <div className={listLook.empty}>
            <strong>{t("calls.none")}</strong>
            <p>{t("calls.noneHint")}</p>
          </div>
        )}
      </nav>
    </div>
  );
}

function byDay(list: Message[]): [number, Message[]][] {
  const days = new Map<number, Message[]>();
  for (const message of list) {
    const day = dayOf(beganMs(message));
    days.set(day, [...(days.get(day) ?? []), message]);
  }
  return [...days];
}

interface RowProps {
  message: Message;
  callBack: (conversation: string, video: boolean) => void;
  busy: boolean;
}

function CallRow({ message, callBack, busy }: RowProps) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const { openConversation } = useNavigation();
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  const inCall = useView((view) => view.call !== null && view.call.state !== "ended");
  const conversation = useView((view) => view.conversations.find(({ id }) => id === message.conversation));
  const { body } = message;
  if (body.kind !== "call") return null;
  const own = message.sender === me;
  const peer = (conversation && peerOf(conversation, me, accounts)) ?? (own ? null : message.sender);
  const name = peer ? nameOf(accounts, peer) : "";
  const missed = !own && !body.answered;
  const video = body.video === true;
  const label = t(video ? "calls.videoBack" : "calls.callBack", { name });
  return (
    <div className={look.row}>
      <UnstyledButton className={listLook.row} data-row onClick={() => openConversation(message.conversation)}>
        <Avatar id={peer ?? message.conversation} name={name} shape="person" />
        <span className={listLook.lines}>
          <span className={listLook.line}>
            <span className={listLook.title} data-missed={missed || undefined}>
              {name}
            </span>
            <time className={listLook.time} dateTime={new Date(body.startedAtMs).toISOString()}>
              {clock(body.startedAtMs, language)}
            </time>
          </span>
          <span className={look.what} data-missed={missed || undefined}>
            <Icon name={own ? "arrowOut" : missed ? "callIn" : "arrowIn"} size={15} />
            {body.answered ? (
              <span>
                {/* The arrow says the direction to those who see it, in fewer letters. */}
                <span className={listLook.hidden}>{t(`call.${callWord(own, body)}`)} </span>
                <span aria-hidden="true">{t(video ? "calls.video" : "calls.voice")}</span> · {duration(body.talkedMs)}
              </span>
            ) : (
              <span>{t(`call.${callWord(own, body)}`)}</span>
            )}
          </span>
        </span>
      </UnstyledButton>
      {reachable(conversation, peer !== null && accounts[peer]?.deleted !== true) && (
        <Tooltip label={label}>
          <ActionIcon size={40} aria-label={label} disabled={busy || inCall} onClick={() => callBack(message.conversation, video)}>
            <Icon name={video ? "video" : "phone"} size={21} />
          </ActionIcon>
        </Tooltip>
      )}
    </div>
  );
}

function reachable(conversation: Conversation | undefined, peerThere: boolean): boolean {
  return conversation?.membership === "joined" && peerThere;
}
