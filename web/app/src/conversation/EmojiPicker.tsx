// A small picker of one's own: the large ones weigh more than all the rest of this page.
import { ActionIcon, Popover, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { EMOJI, findEmoji, type Emoji } from "./emoji";
import look from "./EmojiPicker.module.css";

export function EmojiPicker({ choose, disabled }: { choose: (emoji: string) => void; disabled: boolean }) {
  const { t } = useTranslation();
  const [opened, panel] = useDisclosure(false);
  const [query, setQuery] = useState("");
  const close = () => {
    panel.close();
    setQuery("");
  };
  const pick = (emoji: string) => {
    choose(emoji);
    close();
  };
  const found = query.trim() === "" ? null : findEmoji(query);
  return (
    <Popover opened={opened} onChange={(open) => !open && close()} position="top-start" width={332} trapFocus returnFocus>
      <Popover.Target>
        <ActionIcon aria-label={t("composer.emoji")} disabled={disabled} onClick={() => (opened ? close() : panel.open())}>
          <Icon name="smile" size={22} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown className={look.panel} aria-label={t("composer.emoji")}>
        <TextInput
          size="sm"
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && found?.[0]) {
              event.preventDefault();
              pick(found[0].char);
            }
          }}
          placeholder={t("composer.emojiSearch")}
          aria-label={t("composer.emojiSearch")}
          leftSection={<Icon name="search" size={16} />}
          autoComplete="off"
          data-autofocus
        />
        <div className={look.scroll} onKeyDown={walkGrid}>
          {found ? (
            found.length > 0 ? (
              <Grid emoji={found} pick={pick} />
            ) : (
              <p className={look.none} role="status">
                {t("composer.emojiNone")}
              </p>
            )
          ) : (
            EMOJI.map(({ group, emoji }) => (
              <section key={group}>
                <h2 className={look.group}>{t(`emoji.${group}`)}</h2>
                <Grid emoji={emoji} pick={pick} />
              </section>
            ))
          )}
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

function Grid({ emoji, pick }: { emoji: readonly Emoji[]; pick: (emoji: string) => void }) {
  return (
    <div className={look.grid}>
      {emoji.map(({ char, words }) => (
        <button key={char} type="button" data-emoji aria-label={`${char} ${words.split(" ")[0] ?? ""}`} onClick={() => pick(char)}>
          {char}
        </button>
      ))}
    </div>
  );
}

const COLUMNS = 8;
const STEPS: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS };

function walkGrid(event: KeyboardEvent<HTMLElement>): void {
  const step = STEPS[event.key];
  if (step === undefined) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-emoji]")];
  const next = all[all.findIndex((one) => one === document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
