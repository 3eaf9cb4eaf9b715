// A group: its name and its people, in one step.
import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { AccountId } from "../device/contract";
import { Icon } from "../look/Icon";
import { nameOf, shortName } from "../session/naming";
import { useDevice, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useNavigation } from "../shell/place";
import { Failure } from "../signin/Failure";
import { PaneHeader } from "./PaneHeader";
import { PeoplePicker } from "./PeoplePicker";
import look from "./list.module.css";

const TITLE_CHARS_MAX = 100;

export function NewGroup() {
  const { t } = useTranslation();
  const device = useDevice();
  const { place, go, back } = useNavigation();
  const accounts = useView((view) => view.accounts);
  const command = useCommand();
  const [title, setTitle] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<AccountId>>(new Set());
  const toggle = (account: AccountId) =>
    setChosen((before) => {
      const after = new Set(before);
      if (!after.delete(account)) after.add(account);
      return after;
    });
  const create = () =>
    void command.run(async () => {
      const conversation = await device.createGroup(title.trim(), [...chosen]);
      go({ ...place, side: "list", main: { kind: "conversation", conversation }, details: null }, true);
    });
  return (
    <>
      <PaneHeader title={t("picker.groupTitle")} back={back} />
      <div className={look.search}>
        <TextInput label={t("picker.groupName")} placeholder={t("picker.groupNamePlaceholder")} value={title} maxLength={TITLE_CHARS_MAX} onChange={(event) => setTitle(event.currentTarget.value)} />
      </div>
      {chosen.size > 0 && (
        <ul className={look.chips}>
          {[...chosen].map((account) => (
            <li key={account}>
              <button type="button" className={look.chip} aria-label={t("picker.remove", { name: nameOf(accounts, account) })} onClick={() => toggle(account)}>
                {shortName(nameOf(accounts, account))}
                <Icon name="close" size={13} />
              </button>
            </li>
          ))}
        </ul>
      )}
      <PeoplePicker choose={toggle} chosen={chosen} />
      <Failure text={command.failure} />
      <footer className={look.footer}>
        <span role="status">{chosen.size > 0 && t("picker.chosen", { count: chosen.size })}</span>
        <Button loading={command.busy} disabled={title.trim() === "" || chosen.size === 0} onClick={create}>
          {t("picker.create")}
        </Button>
      </footer>
    </>
  );
}
