// What happened in a conversation beside messages: a new title, a call, a broadcast.
import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { BroadcastCard } from "../broadcasts/BroadcastCard";
import { callWord } from "../calls/words";
import type { Message } from "../device/contract";
import { Icon } from "../look/Icon";
import { nameOf } from "../session/naming";
import { useView } from "../session/Session";
import { useLanguage } from "../shell/useLanguage";
import { clock, duration } from "../time/format";
import type { Happened } from "./spoken";
import look from "./Timeline.module.css";

export function SystemRow({ message, body, own, callBack }: { message: Message; body: Happened; own: boolean; callBack: ((video: boolean) => void) | null }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const name = useView((view) => nameOf(view.accounts, message.sender));
  const time = <time dateTime={new Date(message.sentAtMs).toISOString()}>{clock(message.sentAtMs, language)}</time>;
  if (body.kind === "title") {
    return (
      <p className={look.system}>
        {own ? t("conversation.titleByYou", { title: body.title }) : t("conversation.titleBy", { name, title: body.title })} · {time}
      </p>
    );
  }
  if (body.kind === "broadcast") return <BroadcastCard message={message} body={body} />;
  const missed = !body.answered && !own;
  const text = t(`call.${callWord(own, body)}`);
  return (
    <div className={look.system} data-missed={missed || undefined}>
      <Icon name={body.video ? "video" : missed ? "callIn" : "phone"} size={16} />
      <span>
        {text}
        {body.answered && ` · ${duration(body.talkedMs)}`} · {time}
      </span>
      {missed && callBack && (
        <Button size="compact-sm" variant="subtle" color="red" onClick={() => callBack(body.video ?? false)}>
          {t("call.back")}
        </Button>
      )}
    </div>
  );
}
