// Who writes: told to the others while somebody does, and shown of them.
import type { TFunction } from "i18next";
import { useCallback, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { AccountId, Conversation, ConversationId, View } from "../device/contract";
import { useDevice, useView } from "../session/Session";

/** As in the protocol: said this often at most while it goes on. */
const SAID_EVERY_MS = 3_000;

/** Nothing typed for so long: it is over, though a draft stays. */
const PAUSE_MS = 5_000;

const NOBODY: AccountId[] = [];

/** To be called with what stands in the field whenever that was changed by hand; with "" when it was sent. */
export function useShowTyping(conversation: ConversationId): (text: string) => void {
  const device = useDevice();
  const said = useRef(0);
  const pause = useRef<ReturnType<typeof setTimeout>>(undefined);
  const stop = useCallback(() => {
    clearTimeout(pause.current);
    if (said.current === 0) return;
    said.current = 0;
    device.showTyping(conversation, false).catch(() => undefined); // nobody misses it: it runs out
  }, [device, conversation]);
  useEffect(() => stop, [stop]);
  return useCallback(
    (text) => {
      if (text.trim() === "") return stop();
      clearTimeout(pause.current);
      pause.current = setTimeout(stop, PAUSE_MS);
      const now = Date.now();
      if (now - said.current < SAID_EVERY_MS) return;
      said.current = now;
      device.showTyping(conversation, true).catch(() => undefined);
    },
    [device, conversation, stop],
  );
}

/** "writes …", or who does in a group; null: nobody. Among a channel's operators it keeps two from announcing the same; to its readers it is of no use. */
export function useTypingText({ id, kind, maySpeak }: Conversation): string | null {
  const { t } = useTranslation();
  const who = useView((view) => (maySpeak ? view.typing[id] : undefined) ?? NOBODY);
  const accounts = useView((view) => view.accounts);
  return typingText(who, accounts, kind === "direct", t);
}

export function typingText(who: AccountId[], accounts: View["accounts"], direct: boolean, t: TFunction): string | null {
  const [first, ...others] = who;
  if (first === undefined) return null;
  if (direct) return t("typing.direct");
  const name = accounts[first]?.name ?? "";
  return others.length === 0 || name === "" ? t("typing.one", { name }) : t("typing.more", { name, count: others.length });
}
