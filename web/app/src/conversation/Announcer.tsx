// Reads new messages of the open conversation out to a screen reader. The timeline itself cannot: old messages come into the document as one scrolls.
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ConversationId } from "../device/contract";
import { nameOf } from "../session/naming";
import { useDevice } from "../session/Session";
import look from "./Conversation.module.css";

export function Announcer({ conversation }: { conversation: ConversationId }) {
  const { t } = useTranslation();
  const device = useDevice();
  const [said, setSaid] = useState("");
  useEffect(
    () =>
      device.onMessage((message) => {
        const { me, accounts } = device.view();
        if (message.conversation !== conversation || message.sender === me || message.body.kind !== "text") return;
        setSaid(t("conversation.said", { name: nameOf(accounts, message.sender), text: message.body.text }));
      }),
    [device, conversation, t],
  );
  return (
    <p className={look.unseen} aria-live="polite">
      {said}
    </p>
  );
}
