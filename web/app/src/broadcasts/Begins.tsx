// Somebody is live in a channel that is not on the screen: one tap, and it is watched.
import { ActionIcon, Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Broadcast } from "../device/contract";
import { Icon } from "../look/Icon";
import { nameOf, titleOf } from "../session/naming";
import { useView } from "../session/Session";
import { Failure } from "../signin/Failure";
import { LiveBadge, useTitle } from "./parts";
import { useWatch } from "./stage";
import look from "./broadcasts.module.css";

export function Begins({ broadcast, later }: { broadcast: Broadcast; later: () => void }) {
  const { t } = useTranslation();
  const { watch, command } = useWatch();
  const title = useTitle(broadcast);
  const name = useView((view) => nameOf(view.accounts, broadcast.sender));
  const channel = useView((view) => {
    const conversation = view.conversations.find(({ id }) => id === broadcast.conversation);
    return conversation ? titleOf(conversation, view.me, view.accounts) : "";
  });
  return (
    <>
      <section className={look.begins} aria-label={t("broadcast.one")}>
        <LiveBadge waits={broadcast.state === "sender-lost"} />
        {/* Said at once to those who do not see it. */}
        <p className={look.who} role="status">
          <strong>{title}</strong>
          <span>{[t("broadcast.by", { name }), channel].filter((part) => part !== "").join(" · ")}</span>
        </p>
        <Button color="live" radius="xl" className={look.watch} leftSection={<Icon name="play" size={18} />} loading={command.busy} onClick={() => watch(broadcast.id)} aria-label={t("broadcast.watchNamed", { title })}>
          {t("broadcast.watch")}
        </Button>
        <ActionIcon aria-label={t("broadcast.later")} onClick={later}>
          <Icon name="close" />
        </ActionIcon>
      </section>
      <Failure text={command.failure} />
    </>
  );
}
