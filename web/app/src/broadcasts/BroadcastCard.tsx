// A broadcast in the timeline of its channel: while it is live it can be watched from here, afterwards it says that it was.
import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Body, Message } from "../device/contract";
import { Icon } from "../look/Icon";
import { nameOf } from "../session/naming";
import { useView } from "../session/Session";
import { useLanguage } from "../shell/useLanguage";
import { Failure } from "../signin/Failure";
import { clock } from "../time/format";
import { Elapsed, LiveBadge, useTitle } from "./parts";
import { useStage, useWatch } from "./stage";
import look from "./broadcasts.module.css";

export function BroadcastCard({ message, body }: { message: Message; body: Extract<Body, { kind: "broadcast" }> }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const { watch, command } = useWatch();
  const { large, setLarge } = useStage();
  const title = useTitle(body);
  const name = useView((view) => nameOf(view.accounts, message.sender));
  const device = useView((view) => view.device);
  const live = useView((view) => view.broadcasts.find(({ id, state }) => id === body.broadcast && state !== "ended"));
  const time = <time dateTime={new Date(body.startedAtMs).toISOString()}>{clock(body.startedAtMs, language)}</time>;
  return (
    <article className={look.card} data-live={live ? true : undefined}>
      <span className={look.cardIcon}>
        <Icon name="broadcast" size={26} />
      </span>
      <div className={look.cardText}>
        <p className={look.cardState}>
          {live ? (
            <>
              <LiveBadge waits={live.state === "sender-lost"} />
              <Elapsed since={live.startedAtMs} />
            </>
          ) : (
            <>
              {t("broadcast.wasLive")} · {time}
            </>
          )}
        </p>
        <strong dir="auto">{title}</strong>
        <span>{t("broadcast.from", { name })}</span>
        <Failure text={command.failure} />
      </div>
      {live && live.part === null && live.device !== device && (
        <Button color="live" radius="xl" loading={command.busy} leftSection={<Icon name="play" size={18} />} onClick={() => watch(live.id)} aria-label={t("broadcast.watchNamed", { title })}>
          {t("broadcast.watch")}
        </Button>
      )}
      {live?.here && !large && (
        <Button variant="default" radius="xl" onClick={() => setLarge(true)}>
          {t("broadcast.show")}
        </Button>
      )}
    </article>
  );
}
