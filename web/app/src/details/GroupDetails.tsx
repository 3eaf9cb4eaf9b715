// A group or a channel: its members with role and devices, and what one may do with it. A channel's members are the directory's to name, so nothing can be done there.
import { Button, UnstyledButton } from "@mantine/core";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import type { AccountId, Conversation } from "../device/contract";
import { byName } from "../conversations/order";
import { LevelTag } from "../conversations/PersonRow";
import { Avatar } from "../look/Avatar";
import { Confirm } from "../look/Confirm";
import { shapeOf } from "../look/face";
import { Icon } from "../look/Icon";
import { archiveOf, nameOf, peopleOf, titleOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { useNavigation } from "../shell/place";
import { AddPeople } from "./AddPeople";
import { ArchiveNote, Section } from "./parts";
import look from "./details.module.css";

export function GroupDetails({ conversation }: { conversation: Conversation }) {
  const { t } = useTranslation();
  const device = useDevice();
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  const [dialog, setDialog] = useState<"add" | "leave" | null>(null);
  const title = titleOf(conversation, me, accounts);
  const people = useMemo(() => peopleOf(conversation, accounts).toSorted((a, b) => Number(b === me) - Number(a === me) || byName(nameOf(accounts, a), nameOf(accounts, b))), [conversation, accounts, me]);
  const devices = useMemo(() => countDevices(conversation), [conversation]);
  const channel = conversation.kind === "channel";
  const changeable = conversation.membership === "joined" && !channel;
  return (
    <>
      <div className={look.hero}>
        <Avatar id={conversation.id} name={title} shape={shapeOf(conversation, null)} size={88} />
        <h2>{title}</h2>
        <p>{t(channel ? "conversation.readers" : "conversation.members", { count: people.length })}</p>
        {channel && <p className={look.about}>{t("details.channelHint")}</p>}
      </div>
      {archiveOf(conversation, accounts) && <ArchiveNote />}
      <Section title={t(channel ? "details.readers" : "details.members")}>
        {changeable && (
          <UnstyledButton className={look.action} onClick={() => setDialog("add")}>
            <span className={look.actionIcon}>
              <Icon name="personAdd" />
            </span>
            {t("details.add")}
          </UnstyledButton>
        )}
        <ul>
          {people.map((id) => (
            <li key={id} className={look.memberItem}>
              <Member id={id} devices={devices.get(id) ?? 0} />
            </li>
          ))}
        </ul>
      </Section>
      <Section title={t("details.encryption")} icon="lock">
        <p className={look.text}>{t("details.encryptionGroup")}</p>
      </Section>
      {changeable && (
        <div className={look.last}>
          <Button variant="light" color="red" fullWidth leftSection={<Icon name="leave" size={18} />} onClick={() => setDialog("leave")}>
            {t("details.leave")}
          </Button>
        </div>
      )}
      {dialog === "add" && <AddPeople conversation={conversation} close={() => setDialog(null)} />}
      {dialog === "leave" && (
        <Confirm title={t("details.leave")} text={t("details.leaveAsk", { title })} action={t("details.leaveDo")} run={() => device.leave(conversation.id)} close={() => setDialog(null)} />
      )}
    </>
  );
}

function countDevices({ devices }: Conversation): Map<AccountId, number> {
  const counts = new Map<AccountId, number>();
  for (const { account } of devices) counts.set(account, (counts.get(account) ?? 0) + 1);
  return counts;
}

function Member({ id, devices }: { id: AccountId; devices: number }) {
  const { t } = useTranslation();
  const { openDetails } = useNavigation();
  const me = useView((view) => view.me);
  const account = useView((view) => view.accounts[id]);
  const name = useView((view) => nameOf(view.accounts, id));
  const online = useView((view) => view.presence[id]?.online ?? false);
  const fresh = useView((view) => view.notices.some((notice) => notice.kind === "member-device-added" && notice.account === id));
  return (
    <UnstyledButton className={look.member} onClick={() => openDetails(id)}>
      <Avatar id={id} name={name} shape="person" size={40} online={online} />
      <span className={look.memberLines}>
        <span className={look.memberName}>
          <span>{name}</span>
          {id === me && <span className={look.tag}>{t("details.you")}</span>}
          {account && <LevelTag account={account} />}
        </span>
        {account && account.role !== "" && <span className={look.muted}>{account.role}</span>}
        <span className={look.devices}>
          <Icon name="devices" size={14} />
          {devices > 0 ? t("details.devices", { count: devices }) : t("details.noDevices")}
          {fresh && <span className={look.fresh}>{t("details.newDevice")}</span>}
        </span>
      </span>
      <Icon name="forward" size={16} />
    </UnstyledButton>
  );
}
