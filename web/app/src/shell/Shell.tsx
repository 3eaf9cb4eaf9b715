// The frame of everything after signing in: one pane on a phone, two or three on a desktop.
import { useHotkeys, useMediaQuery } from "@mantine/hooks";
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { BroadcastLayer } from "../broadcasts/BroadcastLayer";
import { StageContext } from "../broadcasts/stage";
import { CallLayer } from "../calls/CallLayer";
import { CallList } from "../calls/CallList";
import { Conversation } from "../conversation/Conversation";
import { Nothing } from "../conversation/Nothing";
import { ConversationList } from "../conversations/ConversationList";
import { NewChat } from "../conversations/NewChat";
import { NewGroup } from "../conversations/NewGroup";
import { Details } from "../details/Details";
import { NoticeStack } from "../notices/NoticeStack";
import { useNotifications } from "../notifications/useNotifications";
import { usePush } from "../push/usePush";
import { useView } from "../session/Session";
import { Settings } from "../settings/Settings";
import { isList, NavigationContext, useNavigationRoot, type Place } from "./place";
import { usePhone } from "./usePhone";
import { OfflineBanner } from "./OfflineBanner";
import { useEscape } from "./useEscape";
import { useWatchedPresence } from "./useWatchedPresence";
import { useTabTitle } from "./useTabTitle";
import look from "./Shell.module.css";

/** From here on the details fit beside the conversation; below they take its place. */
const THREE = "(min-width: 1180px)";

type Pane = "side" | "main" | "details";

function panes(place: Place, wide: boolean, three: boolean): Pane[] {
  const { main, details, side } = place;
  if (!wide) return details ? ["details"] : !isList(side) ? ["side"] : main ? ["main"] : ["side"];
  if (!details) return ["side", "main"];
  return three ? ["side", "main", "details"] : ["side", "details"];
}

/** The list is beside the content, or is the content. */
function Side({ alone, children }: { alone: boolean; children: ReactNode }) {
  const { t } = useTranslation();
  if (!alone) {
    return (
      <section className={look.side} aria-label={t("list.title")}>
        {children}
      </section>
    );
  }
  return (
    <main className={look.side} id="main" tabIndex={-1}>
      {children}
    </main>
  );
}

export function Shell({ unusedCode }: { unusedCode: boolean }) {
  const { t } = useTranslation();
  const navigation = useNavigationRoot();
  const { place, back, go } = navigation;
  const wide = !usePhone();
  const three = useMediaQuery(THREE, undefined, { getInitialValueInEffect: false }) ?? false;
  const shown = panes(place, wide, three);
  const [large, setLarge] = useState(true);
  const stage = useMemo(() => ({ large, setLarge }), [large]);
  const search = useRef<HTMLInputElement>(null);

  const conversation = place.main?.kind === "conversation" ? place.main.conversation : null;
  const known = useView((view) => conversation === null || view.conversations.some((other) => other.id === conversation));
  useEffect(() => {
    // A place from before a reload or a removal may be gone.
    if (!known) go({ side: "list", main: null, details: null }, true);
  }, [known, go]);

  useWatchedPresence(conversation);
  useTabTitle();
  useNotifications(navigation.openConversation);
  usePush();

  const toSearch = () => {
    if (place.side !== "list" || (!wide && place.main)) go({ side: "list", main: wide ? place.main : null, details: null });
    requestAnimationFrame(() => search.current?.focus());
  };
  useHotkeys([["mod+K", toSearch]], []);
  useEscape(() => (place.details || place.side !== "list" || place.main) && back());

  return (
    <NavigationContext value={navigation}>
      <StageContext value={stage}>
        <a className={look.skip} href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
          {t("app.skip")}
        </a>
        <div className={look.page}>
          <OfflineBanner />
          <CallLayer />
          <BroadcastLayer />
          <div className={look.panes} data-panes={wide ? shown.length : 1} data-three={three || undefined}>
            {shown.includes("side") && (
              <Side alone={shown.length === 1}>
                {place.side === "list" && <ConversationList search={search} />}
                {place.side === "calls" && <CallList />}
                {place.side === "new-chat" && <NewChat />}
                {place.side === "new-group" && <NewGroup />}
              </Side>
            )}
            {shown.includes("main") && (
              <main className={look.sheet} id="main" tabIndex={-1}>
                {place.main?.kind === "settings" && <Settings />}
                {conversation !== null && known && <Conversation key={conversation} id={conversation} />}
                {place.main === null && <Nothing />}
              </main>
            )}
            {shown.includes("details") && conversation !== null && known && (
              <Details key={`${conversation} ${place.details?.person ?? ""}`} conversation={conversation} person={place.details?.person ?? null} alone={!shown.includes("main")} />
            )}
          </div>
          <NoticeStack unusedCode={unusedCode} />
        </div>
      </StageContext>
    </NavigationContext>
  );
}
