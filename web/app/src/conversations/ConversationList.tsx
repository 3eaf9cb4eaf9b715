// The list: who one talks to, newest first, and the search over people and groups.
import { ActionIcon, Button, TextInput } from "@mantine/core";
import { useDeferredValue, useMemo, useRef, useState, type KeyboardEvent, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import type { AccountId } from "../device/contract";
import { Icon } from "../look/Icon";
import { peerOf } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useNavigation } from "../shell/place";
import { useNow } from "../shell/useNow";
import { Failure } from "../signin/Failure";
import { ConversationRow } from "./ConversationRow";
import { ListHeader } from "./ListHeader";
import { findConversations, findPeople, inOrder, reachable } from "./order";
import { PersonRow } from "./PersonRow";
import { moveFocus } from "./rowFocus";
import look from "./list.module.css";

const MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);

export function ConversationList({ search }: { search: RefObject<HTMLInputElement | null> }) {
  const { t } = useTranslation();
  const device = useDevice();
  const { place, go, openConversation } = useNavigation();
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  const conversations = useView((view) => view.conversations);
  const [query, setQuery] = useState("");
  const asked = useDeferredValue(query.trim());
  const now = useNow(30_000);
  const command = useCommand();
  const pane = useRef<HTMLDivElement>(null);
  const current = place.main?.kind === "conversation" ? place.main.conversation : null;

  const ordered = useMemo(() => inOrder(conversations), [conversations]);
  const found = useMemo(() => (asked === "" ? ordered : findConversations(ordered, asked, me, accounts)), [ordered, asked, me, accounts]);
  // Whoever has a direct conversation is found as that.
  const people = useMemo(() => {
    if (asked === "") return [];
    const known = new Set(conversations.map((conversation) => peerOf(conversation, me, accounts)));
    return findPeople(reachable(accounts, me), asked).filter((account) => !known.has(account.id));
  }, [asked, conversations, accounts, me]);

  const open = (id: string) => {
    setQuery("");
    openConversation(id);
  };
  const openPerson = (account: AccountId) => void command.run(async () => open(await device.openDirect(account)));

  const searchKeys = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === "Escape" && query !== "") {
      event.preventDefault();
      setQuery("");
    } else if (event.key === "Enter" && query.trim() !== "") {
      pane.current?.querySelector<HTMLElement>("[data-row]")?.click();
    } else if (event.key === "ArrowDown") moveFocus(pane.current, event);
  };

  return (
    <div className={look.pane} ref={pane}>
      <ListHeader />
      <div className={look.search} role="search" aria-label={t("list.searchLabel")}>
        <TextInput
          ref={search}
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={searchKeys}
          placeholder={t("list.search")}
          aria-label={t("list.searchLabel")}
          leftSection={<Icon name="search" size={17} />}
          rightSectionWidth={64}
          rightSection={
            query === "" ? (
              <kbd className={look.key}>{MAC ? t("list.shortcutMac") : t("list.shortcut")}</kbd>
            ) : (
              <ActionIcon size={28} aria-label={t("app.close")} onClick={() => (setQuery(""), search.current?.focus())}>
                <Icon name="close" size={15} />
              </ActionIcon>
            )
          }
          autoComplete="off"
          spellCheck={false}
        />
      </div>
      <Failure text={command.failure} />
      <nav className={look.scroll} aria-label={t("list.title")} onKeyDown={(event) => moveFocus(pane.current, event)}>
        {asked !== "" && found.length > 0 && <h2 className={look.section}>{t("list.conversations")}</h2>}
        <ul>
          {found.map((conversation) => (
            <li key={conversation.id} className={look.item}>
              <ConversationRow conversation={conversation} current={conversation.id === current} nowMs={now} open={open} />
            </li>
          ))}
        </ul>
        {people.length > 0 && (
          <>
            <h2 className={look.section}>{t("list.people")}</h2>
            <ul>
              {people.map((account) => (
                <li key={account.id} className={look.item}>
                  <PersonRow account={account} choose={openPerson} />
                </li>
              ))}
            </ul>
          </>
        )}
        {asked !== "" && found.length + people.length === 0 && (
          <p className={look.empty} role="status">
            {t("list.nothing", { query: asked })}
          </p>
        )}
        {asked === "" && conversations.length === 0 && (
          <div className={look.empty}>
            <strong>{t("list.empty")}</strong>
            <p>{t("list.emptyHint")}</p>
            <Button variant="light" mt="md" leftSection={<Icon name="compose" size={18} />} onClick={() => go({ ...place, side: "new-chat" })}>
              {t("list.newChat")}
            </Button>
          </div>
        )}
      </nav>
    </div>
  );
}
