// One open conversation: its head, its messages, the field to write in.
import { ActionIcon, Tooltip, UnstyledButton } from "@mantine/core";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Conversation as Shown, ConversationId, MessageId } from "../device/contract";
import { AttachMenu } from "../files/AttachMenu";
import { SendSheet } from "../files/SendSheet";
import { useDrop } from "../files/useDrop";
import { useOutgoing } from "../files/useOutgoing";
import { Viewer } from "../files/Viewer";
import { ViewingContext } from "../files/viewing";
import { GoLive } from "../broadcasts/GoLive";
import { LiveStrip } from "../broadcasts/LiveStrip";
import { Avatar } from "../look/Avatar";
import { shapeOf } from "../look/face";
import { Icon } from "../look/Icon";
import { PlaceSheet } from "../places/PlaceSheet";
import { archiveOf, peerOf, peopleOf, titleOf } from "../session/naming";
import { useDevice, useHistories, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { presenceText } from "../shell/lastSeen";
import { useTypingText } from "./typing";
import { useNavigation } from "../shell/place";
import { useLanguage } from "../shell/useLanguage";
import { useNow } from "../shell/useNow";
import { usePhone } from "../shell/usePhone";
import { Failure } from "../signin/Failure";
import { Announcer } from "./Announcer";
import { Composer } from "./Composer";
import { Timeline } from "./Timeline";
import sheetLook from "../files/SendSheet.module.css";
import { useReceipts } from "./useReceipts";
import composerLook from "./Composer.module.css";
import look from "./Conversation.module.css";

export function Conversation({ id }: { id: ConversationId }) {
  const conversation = useView((view) => view.conversations.find((other) => other.id === id));
  return conversation ? <Open conversation={conversation} /> : null;
}

function Open({ conversation }: { conversation: Shown }) {
  const { t } = useTranslation();
  const device = useDevice();
  const histories = useHistories();
  const { id, membership } = conversation;
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  const busy = useView((view) => view.call !== null && view.call.state !== "ended");
  const calling = useCommand();
  const [sentCount, setSentCount] = useState(0);
  const sent = useCallback(() => setSentCount((count) => count + 1), []);

  // What was unread when it was opened: the first page holds at least that much.
  const [unreadAtOpening] = useState(conversation.unread);
  useEffect(() => void histories.open(id, unreadAtOpening), [histories, id, unreadAtOpening]);

  useReceipts(conversation);

  const title = titleOf(conversation, me, accounts);
  const peer = peerOf(conversation, me, accounts);
  const peerGone = peer !== null && accounts[peer]?.deleted === true;
  const reachable = peer !== null && !peerGone && membership === "joined";
  const call = useCallback(() => void calling.run(() => device.startCall(id, false)), [calling, device, id]);
  const videoCall = useCallback(() => void calling.run(() => device.startCall(id, true)), [calling, device, id]);
  const callBack = useCallback((video: boolean) => (video ? videoCall() : call()), [call, videoCall]);
  const closed = membership === "left" ? t("conversation.left") : membership === "joining" ? t("conversation.joining") : peerGone ? t("conversation.peerDeleted") : !conversation.maySpeak ? t("conversation.readOnly") : null;

  const outgoing = useOutgoing(id);
  const drop = useDrop(closed === null ? (files) => outgoing.add(files, false) : null);
  const live = useView((view) => view.broadcasts.some((one) => one.state !== "ended" && (one.conversation === id || one.part === "sends")));
  const [goingLive, setGoingLive] = useState(false);
  const goLive = conversation.kind === "channel" && conversation.maySpeak && membership === "joined" ? () => setGoingLive(true) : null;
  const [placing, setPlacing] = useState(false);
  const [viewed, setViewed] = useState<MessageId | null>(null);
  const closeViewer = useCallback(() => setViewed(null), []);

  return (
    <div className={look.conversation} {...drop.handlers}>
      <Head conversation={conversation} title={title} call={reachable ? call : null} videoCall={videoCall} goLive={goLive} live={live} busy={busy || calling.busy} />
      <LiveStrip conversation={conversation} />
      <Failure text={calling.failure} />
      {conversation.unreadable > 0 && (
        <p className={look.unreadable}>
          <Icon name="info" size={17} />
          <span>
            <strong>{t("conversation.unreadable", { count: conversation.unreadable })}</strong> {t("conversation.unreadableHint")}
          </span>
        </p>
      )}
      <ViewingContext value={setViewed}>
        <Timeline conversation={conversation} title={title} callBack={reachable && !busy ? callBack : null} sentCount={sentCount} />
      </ViewingContext>
      <Announcer conversation={id} />
      {closed === null ? <Composer conversation={id} title={title} onSent={sent} attach={<AttachMenu add={outgoing.add} openPlace={() => setPlacing(true)} />} /> : <p className={composerLook.closed}>{closed}</p>}
      <SendSheet outgoing={outgoing} title={title} onSent={sent} />
      {viewed !== null && <Viewer conversation={id} message={viewed} show={setViewed} close={closeViewer} />}
      {goingLive && <GoLive conversation={conversation} close={() => setGoingLive(false)} />}
      {placing && <PlaceSheet conversation={id} title={title} close={() => setPlacing(false)} onSent={sent} />}
      {drop.over && (
        <p className={sheetLook.drop}>
          <Icon name="photo" size={40} />
          {t("attach.drop")}
        </p>
      )}
    </div>
  );
}

interface HeadProps {
  conversation: Shown;
  title: string;
  /** Null where nobody can be called. */
  call: (() => void) | null;
  videoCall: () => void;
  /** Null where nobody can go live. */
  goLive: (() => void) | null;
  /** Somebody is live here, or this person is elsewhere. */
  live: boolean;
  busy: boolean;
}

function Head({ conversation, title, call, videoCall, goLive, live, busy }: HeadProps) {
  const { t } = useTranslation();
  const { place, back, openDetails, go } = useNavigation();
  const phone = usePhone();
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  const peer = peerOf(conversation, me, accounts);
  const toggle = () => (place.details ? go({ ...place, details: null }, true) : openDetails(null));
  return (
    <header className={look.head}>
      {phone && (
        <ActionIcon aria-label={t("app.back")} onClick={back}>
          <Icon name="back" size={22} />
        </ActionIcon>
      )}
      <UnstyledButton className={look.who} onClick={toggle} aria-expanded={place.details !== null}>
        <Avatar id={peer ?? conversation.id} name={title} shape={shapeOf(conversation, peer)} size={40} />
        <span className={look.names}>
          <h1>{title}</h1>
          {peer ? <PeerLine conversation={conversation} peer={peer} /> : <GroupLine conversation={conversation} />}
        </span>
      </UnstyledButton>
      {call && (
        <Tooltip label={t("conversation.videoCall", { name: title })}>
          <ActionIcon aria-label={t("conversation.videoCall", { name: title })} onClick={videoCall} disabled={busy}>
            <Icon name="video" size={22} />
          </ActionIcon>
        </Tooltip>
      )}
      {call && (
        <Tooltip label={t("conversation.call", { name: title })}>
          <ActionIcon aria-label={t("conversation.call", { name: title })} onClick={call} disabled={busy}>
            <Icon name="phone" size={21} />
          </ActionIcon>
        </Tooltip>
      )}
      {goLive && !live && (
        <Tooltip label={t("broadcast.goLive")}>
          <ActionIcon aria-label={t("broadcast.goLive")} onClick={goLive} disabled={busy}>
            <Icon name="broadcast" size={22} />
          </ActionIcon>
        </Tooltip>
      )}
      {!phone && (
        <Tooltip label={t("conversation.details")}>
          <ActionIcon aria-label={t("conversation.details")} aria-pressed={place.details !== null} onClick={toggle}>
            <Icon name="info" size={21} />
          </ActionIcon>
        </Tooltip>
      )}
    </header>
  );
}

function PeerLine({ conversation, peer }: { conversation: Shown; peer: string }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const now = useNow(30_000);
  const presence = useView((view) => view.presence[peer]);
  const role = useView((view) => view.accounts[peer]?.role ?? "");
  const seen = presenceText(presence, now, language, t);
  const typing = useTypingText(conversation);
  if (typing !== null) return <span className={look.line} data-typing>{typing}</span>;
  return (
    <span className={look.line}>
      {presence?.online && <span className={look.onlineDot} aria-hidden="true" />}
      <span>{[seen, role].filter((part) => part !== "").join(" · ")}</span>
    </span>
  );
}

function GroupLine({ conversation }: { conversation: Shown }) {
  const { t } = useTranslation();
  const accounts = useView((view) => view.accounts);
  const people = peopleOf(conversation, accounts);
  const me = useView((view) => view.me);
  const online = useView((view) => people.filter((id) => id !== me && view.presence[id]?.online).length);
  const parts = [t(conversation.kind === "channel" ? "conversation.readers" : "conversation.members", { count: people.length })];
  if (online > 0) parts.push(t("conversation.onlineCount", { count: online }));
  const archived = archiveOf(conversation, accounts) !== null;
  const typing = useTypingText(conversation);
  if (typing !== null) return <span className={look.line} data-typing>{typing}</span>;
  return (
    <span className={look.line}>
      <span>{parts.join(" · ")}</span>
      {archived && (
        <span className={look.archived}>
          · <Icon name="archive" size={14} /> {t("conversation.archived")}
        </span>
      )}
    </span>
  );
}
