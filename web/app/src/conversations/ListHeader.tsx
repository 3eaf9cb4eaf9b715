// The head of the list's pane: where one is, what can be begun, and the two lists there are.
import { ActionIcon, Menu, Tooltip, UnstyledButton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Avatar } from "../look/Avatar";
import { Icon, Mark, type IconName } from "../look/Icon";
import { nameOf } from "../session/naming";
import { useView } from "../session/Session";
import { ConnectionDot } from "../shell/ConnectionDot";
import { useNavigation } from "../shell/place";
import look from "./list.module.css";

export function ListHeader() {
  const { t } = useTranslation();
  const { place, go, openSettings } = useNavigation();
  const hospital = useView((view) => view.hospital);
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  return (
    <>
      <div className={look.header}>
        <Mark size={36} />
        <div className={look.place}>
          <h1>{hospital ?? t("app.name")}</h1>
          <ConnectionDot />
        </div>
        <Menu position="bottom-end" width={230}>
          <Menu.Target>
            <Tooltip label={t("list.newChat")}>
              <ActionIcon variant="filled" aria-label={t("list.newChat")}>
                <Icon name="compose" />
              </ActionIcon>
            </Tooltip>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<Icon name="person" />} onClick={() => go({ ...place, side: "new-chat" })}>
              {t("list.newChat")}
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="people" />} onClick={() => go({ ...place, side: "new-group" })}>
              {t("list.newGroup")}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <Tooltip label={t("list.settings")}>
          <UnstyledButton className={look.me} aria-label={t("list.settings")} onClick={openSettings}>
            {me && <Avatar id={me} name={nameOf(accounts, me)} shape="person" size={38} />}
          </UnstyledButton>
        </Tooltip>
      </div>
      <Views />
    </>
  );
}

function Views() {
  const { t } = useTranslation();
  const missed = useView((view) => view.missedCalls);
  const unread = useView((view) => view.conversations.filter((conversation) => conversation.unread > 0).length);
  return (
    <nav className={look.views} aria-label={t("list.views")}>
      <ViewTab side="list" icon="chat" label={t("list.chats")} count={unread} counted={t("list.unreadChats", { count: unread })} />
      <ViewTab side="calls" icon="phone" label={t("list.calls")} count={missed} counted={t("list.missedCalls", { count: missed })} missed />
    </nav>
  );
}

interface ViewTabProps {
  side: "list" | "calls";
  icon: IconName;
  label: string;
  count: number;
  /** The count in words. */
  counted: string;
  missed?: boolean;
}

function ViewTab({ side, icon, label, count, counted, missed }: ViewTabProps) {
  const { place, go } = useNavigation();
  const current = place.side === side;
  return (
    <UnstyledButton className={look.view} aria-current={current ? "page" : undefined} onClick={() => !current && go({ ...place, side }, true)}>
      <Icon name={icon} size={17} />
      {label}
      {count > 0 && (
        <span className={look.badge} data-missed={missed || undefined}>
          <span aria-hidden="true">{count > 98 ? "99+" : count}</span>
          <span className={look.hidden}>{counted}</span>
        </span>
      )}
    </UnstyledButton>
  );
}
