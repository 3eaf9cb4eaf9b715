// Below the head of a channel in which somebody is live.
import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Broadcast, Conversation } from "../device/contract";
import { Icon } from "../look/Icon";
import { nameOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { Failure } from "../signin/Failure";
import { Elapsed, LiveBadge, useTitle } from "./parts";
import { useWatch } from "./stage";
import { Status } from "./Status";
import look from "./broadcasts.module.css";

export function LiveStrip({ conversation }: { conversation: Conversation }) {
  const broadcast = useView((view) => view.broadcasts.find((one) => one.conversation === conversation.id && one.state !== "ended"));
  const device = useView((view) => view.device);
  if (!broadcast || conversation.membership !== "joined") return null;
  // An own one that no tab sends is said at the top of the page.
  if (broadcast.device === device && broadcast.part === null) return null;
  return <Strip key={broadcast.id} broadcast={broadcast} operates={conversation.maySpeak} />;
}

function Strip({ broadcast, operates }: { broadcast: Broadcast; operates: boolean }) {
  const { t } = useTranslation();
  const { watch, command } = useWatch();
  const title = useTitle(broadcast);
  const name = useView((view) => nameOf(view.accounts, broadcast.sender));
  const [status, setStatus] = useState(false);
  // The bar or the stage says it all.
  if (broadcast.here) return <Failure text={command.failure} />;
  return (
    <>
      <section className={look.strip} aria-label={t("broadcast.one")}>
        <LiveBadge waits={broadcast.state === "sender-lost"} />
        <p className={look.who}>
          <strong>{title}</strong>
          <span>
            {name} · <Elapsed since={broadcast.startedAtMs} />
          </span>
        </p>
        {operates && (
          <Tooltip label={t("broadcastStatus.open")}>
            <ActionIcon aria-label={t("broadcastStatus.open")} onClick={() => setStatus(true)}>
              <Icon name="chart" size={22} />
            </ActionIcon>
          </Tooltip>
        )}
        {broadcast.part === null ? (
          <Button color="live" radius="xl" className={look.watch} leftSection={<Icon name="play" size={18} />} loading={command.busy} onClick={() => watch(broadcast.id)} aria-label={t("broadcast.watchNamed", { title })}>
            {t("broadcast.watch")}
          </Button>
        ) : (
          <Elsewhere broadcast={broadcast} />
        )}
      </section>
      <Failure text={command.failure} />
      {status && <Status broadcast={broadcast} close={() => setStatus(false)} />}
    </>
  );
}

/** It plays, or is sent, in another tab. */
function Elsewhere({ broadcast }: { broadcast: Broadcast }) {
  const { t } = useTranslation();
  const device = useDevice();
  const leaving = useCommand("broadcast");
  return (
    <>
      <span className={look.elsewhere}>{leaving.failure ?? t("broadcast.elsewhere")}</span>
      {broadcast.part === "watches" && (
        <Button variant="default" radius="xl" loading={leaving.busy} onClick={() => void leaving.run(() => device.leaveBroadcast(broadcast.id))}>
          {t("broadcast.leave")}
        </Button>
      )}
    </>
  );
}
