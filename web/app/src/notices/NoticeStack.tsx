// The notices, newest first, in a corner. At most a few at once: who comes back from holiday should not have to dig.
import { ActionIcon, Button } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { peerOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { useNavigation } from "../shell/place";
import { usePhone } from "../shell/usePhone";
import { tell, type Told } from "./words";
import look from "./notices.module.css";

const SHOWN_MAX = 3;
const SHOWN_ON_PHONE_MAX = 1;

export function NoticeStack({ unusedCode }: { unusedCode: boolean }) {
  const { t } = useTranslation();
  const device = useDevice();
  const phone = usePhone();
  const notices = useView((view) => view.notices);
  const [codeTold, setCodeTold] = useState(!unusedCode);
  const view = device.view();
  // What warns stands above what informs.
  const told = notices.map((notice) => ({ notice, ...tell(notice, view, t) })).sort((a, b) => Number(b.alarm) - Number(a.alarm) || b.notice.atMs - a.notice.atMs);
  const shown = phone ? SHOWN_ON_PHONE_MAX : SHOWN_MAX;
  const rest = told.length - shown;
  return (
    <section className={look.stack} aria-label={t("notice.region")}>
      {!codeTold && <Card text={t("notice.alreadySignedIn")} alarm={false} dismiss={() => setCodeTold(true)} />}
      {told.slice(0, shown).map(({ notice, text, alarm, leads }) => (
        // A notice that cannot be put away now comes again; nothing is lost.
        <Card key={notice.id} text={text} alarm={alarm} leads={leads} dismiss={() => void device.dismiss(notice.id).catch((error: unknown) => console.debug("dismiss:", error))} />
      ))}
      {rest > 0 && <p className={look.rest}>{t("notice.more", { count: rest })}</p>}
    </section>
  );
}

function Card({ text, alarm, leads = null, dismiss }: { text: string; alarm: boolean; leads?: Told["leads"]; dismiss: () => void }) {
  const { t } = useTranslation();
  return (
    <div className={look.card} data-alarm={alarm || undefined} role={alarm ? "alert" : "status"}>
      <Icon name={alarm ? "alert" : "info"} />
      <div className={look.body}>
        <p>{text}</p>
        {leads && <Lead leads={leads} then={dismiss} />}
      </div>
      <ActionIcon size={32} aria-label={t("notice.dismiss")} onClick={dismiss}>
        <Icon name="close" size={17} />
      </ActionIcon>
    </div>
  );
}

function Lead({ leads, then }: { leads: NonNullable<Told["leads"]>; then: () => void }) {
  const { t } = useTranslation();
  const { go, openConversation, openSettings } = useNavigation();
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  const conversations = useView((view) => view.conversations);
  const words = { "own-devices": t("notice.devices"), person: t("notice.compare"), conversation: t("notice.open") };
  const follow = () => {
    then();
    if (leads.to === "own-devices") return openSettings();
    if (leads.to === "conversation") return openConversation(leads.conversation);
    // The direct conversation shows the safety number; without one, a group that both are in does.
    const shared = conversations.find((one) => peerOf(one, me, accounts) === leads.account) ?? conversations.find((one) => one.accounts.includes(leads.account));
    if (shared) go({ side: "list", main: { kind: "conversation", conversation: shared.id }, details: { person: leads.account } });
  };
  return (
    <Button size="compact-sm" variant="light" onClick={follow}>
      {words[leads.to]}
    </Button>
  );
}
