// Delivery and read marks of a large conversation: the node pushes them in small ones only, so they are asked for while it is looked at.
import { useEffect } from "react";
import type { Conversation } from "../device/contract";
import { useDevice } from "../session/Session";

/** As the node's RECEIPT_PUSH_ACCOUNTS_MAX: up to so many accounts are told unasked. */
const TOLD_ACCOUNTS_MAX = 64;

const ASK_EVERY_MS = 15_000;

export function useReceipts({ id, accounts, maySpeak }: Conversation): void {
  const device = useDevice();
  // Marks stand at own messages, and a channel's readers have none.
  const asks = maySpeak && accounts.length > TOLD_ACCOUNTS_MAX;
  useEffect(() => {
    if (!asks) return;
    const ask = () => {
      if (document.visibilityState === "visible") device.fetchReceipts(id).catch((error: unknown) => console.debug("receipts:", error));
    };
    ask();
    const asking = setInterval(ask, ASK_EVERY_MS);
    return () => clearInterval(asking);
  }, [device, id, asks]);
}
