// A person to choose: who it is and where they work.
import { UnstyledButton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Account, AccountId } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { Icon } from "../look/Icon";
import { useView } from "../session/Session";
import look from "./list.module.css";

interface Props {
  account: Account;
  choose: (account: AccountId) => void;
  /** For choosing several; undefined where one tap decides. */
  chosen?: boolean;
}

export function LevelTag({ account }: { account: Account }) {
  const { t } = useTranslation();
  if (account.deleted) return <span className={look.tag}>{t("picker.deleted")}</span>;
  if (account.level === "internal") return null;
  return <span className={look.tag}>{t(`picker.${account.level}`)}</span>;
}

export function PersonRow({ account, choose, chosen }: Props) {
  const online = useView((view) => view.presence[account.id]?.online ?? false);
  return (
    <UnstyledButton className={look.row} data-row data-chosen={chosen || undefined} aria-pressed={chosen} onClick={() => choose(account.id)}>
      <Avatar id={account.id} name={account.name} shape="person" size={40} online={online} />
      <span className={look.lines}>
        <span className={look.line}>
          <span className={look.title}>{account.name}</span>
          <LevelTag account={account} />
        </span>
        {account.role !== "" && <span className={look.preview}>{account.role}</span>}
      </span>
      {chosen !== undefined && (
        <span className={look.box} aria-hidden="true">
          {chosen && <Icon name="check" size={16} />}
        </span>
      )}
    </UnstyledButton>
  );
}
