// Who has read a message, who has received it, who has not.
import { useTranslation } from "react-i18next";
import type { AccountId, Message } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { nameOf } from "../session/naming";
import { useView } from "../session/Session";
import { awaited } from "./progress";
import look from "./Bubble.module.css";

export function Delivery({ message }: { message: Message }) {
  const { t } = useTranslation();
  const accounts = useView((view) => view.accounts);
  const me = useView((view) => view.me);
  const conversation = useView((view) => view.conversations.find((other) => other.id === message.conversation));
  if (!conversation) return null;
  const sections: Record<"readBy" | "deliveredTo" | "waitingFor", AccountId[]> = { readBy: [], deliveredTo: [], waitingFor: [] };
  for (const id of awaited(conversation, me, accounts)) {
    const { delivered, read } = conversation.receipts[id] ?? { delivered: 0, read: 0 };
    const section = read >= message.seq ? "readBy" : delivered >= message.seq ? "deliveredTo" : "waitingFor";
    sections[section].push(id);
  }
  return (
    <div className={look.delivery}>
      {(["readBy", "deliveredTo", "waitingFor"] as const).map(
        (section) =>
          sections[section].length > 0 && (
            <section key={section}>
              <h3>{t(`message.${section}`)}</h3>
              <ul>
                {sections[section].map((id) => (
                  <li key={id}>
                    <Avatar id={id} name={nameOf(accounts, id)} shape="person" size={30} />
                    <span>{nameOf(accounts, id)}</span>
                  </li>
                ))}
              </ul>
            </section>
          ),
      )}
    </div>
  );
}
