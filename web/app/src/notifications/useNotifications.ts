// Announces messages and calls while the page is open and nobody looks at it. Never the content: it would stand on a locked screen.
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { isSpoken } from "../conversation/spoken";
import type { ConversationId } from "../device/contract";
import { nameOf, titleOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { attentive } from "../shell/useAttention";
import { permission } from "./permission";

/** Older than this, a message is caught up on rather than new, and a stack of stale announcements helps nobody. */
const NEW_MS = 5 * 60_000;

type Show = (conversation: ConversationId) => void;

async function announce(title: string, body: string, conversation: ConversationId, urgent: boolean, show: Show): Promise<void> {
  const options: NotificationOptions = { body, tag: conversation, icon: "/icon-192.png", requireInteraction: urgent, data: conversation };
  const registration = await navigator.serviceWorker?.getRegistration();
  // Phones take notifications from a service worker only.
  if (registration?.active) return registration.showNotification(title, options);
  const notification = new Notification(title, options);
  notification.onclick = () => {
    window.focus();
    notification.close();
    show(conversation);
  };
}

export function useNotifications(show: Show): void {
  const { t } = useTranslation();
  const device = useDevice();
  const call = useView((view) => view.call);
  // Navigation changes with each place; the listeners need not.
  const latest = useRef(show);
  useEffect(() => {
    latest.current = show;
  });

  useEffect(
    () =>
      device.onMessage((message) => {
        const { me, accounts, conversations } = device.view();
        const live = message.body.kind === "broadcast";
        const fromOther = message.sender !== me && message.state === "sent" && (live || isSpoken(message.body));
        if (!fromOther || attentive() || permission() !== "granted" || Date.now() - message.sentAtMs > NEW_MS) return;
        const conversation = conversations.find((other) => other.id === message.conversation);
        if (!conversation || message.seq <= conversation.readSeq) return;
        const title = titleOf(conversation, me, accounts);
        const what = t(live ? "notification.broadcast" : "notification.message");
        const body = conversation.kind !== "direct" ? `${nameOf(accounts, message.sender)}: ${what}` : what;
        // The page itself shows it as unread; an announcement that fails is no news to anybody.
        announce(title, body, message.conversation, false, (id) => latest.current(id)).catch((error: unknown) => console.debug("notification:", error));
      }),
    [device, t],
  );

  const ringing = call?.direction === "incoming" && call.state === "ringing" ? call.id : null;
  useEffect(() => {
    const rings = device.view().call;
    if (ringing === null || !rings || attentive() || permission() !== "granted") return;
    announce(nameOf(device.view().accounts, rings.peer), t(rings.video ? "notification.videoCall" : "notification.call"), rings.conversation, true, (id) => latest.current(id)).catch((error: unknown) => console.debug("notification:", error));
  }, [ringing, device, t]);

  useEffect(() => {
    const worker = navigator.serviceWorker;
    if (!worker) return;
    const clicked = (event: MessageEvent<unknown>) => {
      const { data } = event;
      if (typeof data !== "object" || data === null || !("show" in data) || typeof data.show !== "string") return;
      latest.current(data.show);
    };
    worker.addEventListener("message", clicked);
    return () => worker.removeEventListener("message", clicked);
  }, []);
}
