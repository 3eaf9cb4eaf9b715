// Who has read a message, who has received it, who has not; in a channel before all that who has said that he has taken note.
import { Button, Loader } from "@mantine/core";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { byName } from "../conversations/order";
import type { AccountId, Confirmation, Message } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { nameOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useLanguage } from "../shell/useLanguage";
import { moment } from "../time/format";
import { awaited } from "./progress";
import look from "./Bubble.module.css";

export function Delivery({ message }: { message: Message }) {
  const { t } = useTranslation();
  const accounts = useView((view) => view.accounts);
  const me = useView((view) => view.me);
  const conversation = useView((view) => view.conversations.find((other) => other.id === message.conversation));
  if (!conversation) return null;
  const sections: Record<"readBy" | "deliveredTo" | "waitingFor", AccountId[]> = { readBy: [], deliveredTo: [], waitingFor: [] };
  const others = awaited(conversation, me, accounts);
  for (const id of others) {
    const { delivered, read } = conversation.receipts[id] ?? { delivered: 0, read: 0 };
    const section = read >= message.seq ? "readBy" : delivered >= message.seq ? "deliveredTo" : "waitingFor";
    sections[section].push(id);
  }
  // Only its operators are told.
  const confirmable = conversation.kind === "channel" && conversation.membership === "joined" && conversation.maySpeak;
  return (
    <div className={look.delivery}>
      {confirmable && <ConfirmedBy message={message} others={others} />}
      {(["readBy", "deliveredTo", "waitingFor"] as const).map(
        (section) =>
          sections[section].length > 0 && (
            <section key={section}>
              <h3>{t(`message.${section}`)}</h3>
              <ul>
                {sections[section].map((id) => (
                  <Person key={id} id={id} />
                ))}
              </ul>
            </section>
          ),
      )}
    </div>
  );
}

function ConfirmedBy({ message, others }: { message: Message; others: AccountId[] }) {
  const { t } = useTranslation();
  const device = useDevice();
  const accounts = useView((view) => view.accounts);
  const me = useView((view) => view.me);
  const { busy, failure, run } = useCommand();
  const [found, setFound] = useState<Confirmation[] | null>(null);
  const { conversation, seq } = message;
  const ask = useCallback(() => void run(async () => setFound(await device.confirmations(conversation, seq))), [run, device, conversation, seq]);
  useEffect(ask, [ask]);

  const confirmed = found?.filter(({ account }) => account !== me).toSorted((a, b) => byName(nameOf(accounts, a.account), nameOf(accounts, b.account)));
  // Who took note and reads here no longer has taken note all the same.
  const all = new Set([...others, ...(confirmed ?? []).map(({ account }) => account)]).size;
  return (
    <section>
      <h3>
        {t("message.confirmed")}
        {confirmed && <span>{t("message.confirmedCount", { done: confirmed.length, all })}</span>}
      </h3>
      {busy && (
        <p className={look.asking} role="status">
          <Loader size={16} />
          {t("message.confirmedLoading")}
        </p>
      )}
      {failure !== null && (
        <div className={look.notAsked} role="alert">
          <span>{failure}</span>
          <Button size="compact-sm" variant="light" onClick={ask}>
            {t("app.retry")}
          </Button>
        </div>
      )}
      {confirmed && confirmed.length > 0 && (
        <ul>
          {confirmed.map(({ account, atMs }) => (
            <Person key={account} id={account} atMs={atMs} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Person({ id, atMs }: { id: AccountId; atMs?: number }) {
  const { language } = useLanguage();
  const name = useView((view) => nameOf(view.accounts, id));
  return (
    <li>
      <Avatar id={id} name={name} shape="person" size={30} />
      <span>{name}</span>
      {atMs !== undefined && <time dateTime={new Date(atMs).toISOString()}>{moment(atMs, language)}</time>}
    </li>
  );
}
