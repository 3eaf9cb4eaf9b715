// Reads new messages of the open conversation out to a screen reader. The timeline itself cannot: old messages come into the document as one scrolls.
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ConversationId } from "../device/contract";
import { nameOf } from "../session/naming";
import { useDevice } from "../session/Session";
import { isSpoken, summaryOf } from "./spoken";
import look from "./Conversation.module.css";

export function Announcer({ conversation }: { conversation: ConversationId }) {
  const { t } = useTranslation();
  const device = useDevice();
  const [said, setSaid] = useState("");
  useEffect(
    () =>
      device.onMessage((message) => {
        const { me, accounts } = device.view();
        if (message.conversation !== conversation || message.sender === me) return;
        const name = nameOf(accounts, message.sender);
        if (message.body.kind === "broadcast") return setSaid(`${t("broadcast.by", { name })}: ${message.body.title}`);
        if (!isSpoken(message.body)) return;
        const text = summaryOf(message.body, t);
        setSaid(message.body.kind === "text" ? t("conversation.said", { name, text }) : t("conversation.sent", { name, text }));
      }),
    [device, conversation, t],
  );
  return (
    <p className={look.unseen} aria-live="polite">
      {said}
    </p>
  );
}
