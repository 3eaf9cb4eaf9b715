// What is said of a call under the name: how far it is, how long it lasts, and that it is encrypted.
import { useTranslation } from "react-i18next";
import type { Call } from "../device/contract";
import { Icon } from "../look/Icon";
import type { LiveMedia } from "../media/live";
import { useNow } from "../shell/useNow";
import { duration } from "../time/format";
import look from "./calls.module.css";

export function Status({ call, live }: { call: Call; live: LiveMedia | null }) {
  const { t } = useTranslation();
  if (!call.here) return t("call.elsewhere");
  // The own line first: while it is gone nothing else is known.
  if (live?.line === "lost") return t("call.reconnecting");
  switch (call.state) {
    case "starting":
      return t("call.starting");
    case "ringing":
      return t("call.ringing");
    case "connecting":
      return t("call.connecting");
    case "peer-lost":
      return t("call.peerLost");
    case "talking":
      return <Duration since={call.talkingSinceMs} />;
    case "ended":
      return t("call.ended");
  }
}

function Duration({ since }: { since: number }) {
  const { t } = useTranslation();
  const now = useNow(1000);
  return (
    <>
      <span role="timer">{duration(now - since)}</span>
      <span className={look.encrypted}>
        <Icon name="lock" size={13} />
        {t("call.encrypted")}
      </span>
    </>
  );
}
