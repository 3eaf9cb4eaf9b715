// A person: who it is, how to reach them, and how to be sure that it is them.
import { Button } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { LevelTag } from "../conversations/PersonRow";
import type { AccountId, Conversation } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { Confirm } from "../look/Confirm";
import { Icon } from "../look/Icon";
import { archiveOf, nameOf, titleOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { presenceText } from "../shell/lastSeen";
import { useNavigation } from "../shell/place";
import { useLanguage } from "../shell/useLanguage";
import { useNow } from "../shell/useNow";
import { Failure } from "../signin/Failure";
import { DeviceList } from "./DeviceList";
import { ArchiveNote, Section } from "./parts";
import { SafetyNumber } from "./SafetyNumber";
import look from "./details.module.css";

export function PersonDetails({ id, conversation }: { id: AccountId; conversation: Conversation }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const now = useNow(30_000);
  const device = useDevice();
  const { place, openConversation, back } = useNavigation();
  const command = useCommand();
  const [removing, setRemoving] = useState(false);
  const accounts = useView((view) => view.accounts);
  const me = useView((view) => view.me);
  const presence = useView((view) => view.presence[id]);
  const busy = useView((view) => view.call !== null && view.call.state !== "ended");
  const account = accounts[id];
  const name = nameOf(accounts, id);
  const seen = presenceText(presence, now, language, t);
  const fromMembers = place.details?.person === id && conversation.kind !== "direct";
  const gone = account?.deleted === true;
  const reach = (also: (conversation: string) => Promise<void>) =>
    void command.run(async () => {
      const direct = await device.openDirect(id);
      openConversation(direct);
      await also(direct);
    });
  return (
    <>
      <div className={look.hero}>
        <Avatar id={id} name={name} shape="person" size={88} />
        <h2>{name}</h2>
        {account && account.role !== "" && <p>{account.role}</p>}
        {seen !== "" && <p className={look.seen}>{seen}</p>}
        {account && <LevelTag account={account} />}
        {id !== me && !gone && (
          <div className={look.reach}>
            {fromMembers && (
              <Button variant="light" leftSection={<Icon name="compose" size={18} />} loading={command.busy} onClick={() => reach(async () => undefined)}>
                {t("details.message")}
              </Button>
            )}
            <Button variant="light" leftSection={<Icon name="phone" size={18} />} disabled={busy || command.busy} onClick={() => reach((direct) => device.startCall(direct, false))}>
              {t("details.call")}
            </Button>
            <Button variant="light" leftSection={<Icon name="video" size={18} />} disabled={busy || command.busy} onClick={() => reach((direct) => device.startCall(direct, true))}>
              {t("details.videoCall")}
            </Button>
          </div>
        )}
        <Failure text={command.failure} />
      </div>
      {conversation.kind === "direct" && archiveOf(conversation, accounts) && <ArchiveNote />}
      {id !== me && !gone && <SafetyNumber id={id} name={name} />}
      {conversation.kind === "direct" && (
        <Section title={t("details.encryption")} icon="lock">
          <p className={look.text}>{t("details.encryptionDirect", { name })}</p>
        </Section>
      )}
      <Section title={t("details.deviceList", { name })} icon="devices">
        <DeviceList account={id === me ? null : id} />
      </Section>
      {fromMembers && conversation.kind === "group" && id !== me && conversation.membership === "joined" && (
        <div className={look.last}>
          <Button variant="light" color="red" fullWidth onClick={() => setRemoving(true)}>
            {t("details.remove")}
          </Button>
        </div>
      )}
      {removing && (
        <Confirm
          title={t("details.remove")}
          text={t("details.removeAsk", { name, title: titleOf(conversation, me, accounts) })}
          action={t("details.removeDo")}
          run={async () => {
            await device.removeAccounts(conversation.id, [id]);
            back();
          }}
          close={() => setRemoving(false)}
        />
      )}
    </>
  );
}
