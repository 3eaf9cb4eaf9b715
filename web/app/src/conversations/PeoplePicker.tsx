// Searches and lists people, to choose one or several.
import { TextInput } from "@mantine/core";
import { useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { AccountId } from "../device/contract";
import { Icon } from "../look/Icon";
import { useView } from "../session/Session";
import { findPeople, reachable } from "./order";
import { PersonRow } from "./PersonRow";
import { moveFocus } from "./rowFocus";
import look from "./list.module.css";

interface Props {
  choose: (account: AccountId) => void;
  /** Several are chosen; undefined where one tap decides. */
  chosen?: ReadonlySet<AccountId>;
  /** Who is not offered, because already in. */
  without?: readonly AccountId[];
}

export function PeoplePicker({ choose, chosen, without }: Props) {
  const { t } = useTranslation();
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  const [query, setQuery] = useState("");
  const pane = useRef<HTMLDivElement>(null);
  const offered = useMemo(() => reachable(accounts, me).filter((account) => !without?.includes(account.id)), [accounts, me, without]);
  const found = useMemo(() => findPeople(offered, query), [offered, query]);
  return (
    <div className={look.pane} ref={pane}>
      <div className={look.search}>
        <TextInput
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") moveFocus(pane.current, event);
            else if (event.key === "Enter" && found[0] && query !== "") {
              event.preventDefault();
              choose(found[0].id);
              setQuery("");
            }
          }}
          placeholder={t("picker.search")}
          aria-label={t("picker.search")}
          leftSection={<Icon name="search" size={17} />}
          autoComplete="off"
          spellCheck={false}
          data-autofocus
          autoFocus
        />
      </div>
      <div className={look.scroll} onKeyDown={(event) => moveFocus(pane.current, event)}>
        <ul aria-label={t("list.people")}>
          {found.map((account) => (
            <li key={account.id} className={look.item}>
              <PersonRow account={account} choose={choose} chosen={chosen?.has(account.id)} />
            </li>
          ))}
        </ul>
        {found.length === 0 && (
          <p className={look.empty} role="status">
            {offered.length === 0 ? t("picker.nobody") : t("picker.none")}
          </p>
        )}
      </div>
    </div>
  );
}
