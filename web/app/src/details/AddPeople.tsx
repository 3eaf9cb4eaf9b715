import { Button, Modal } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { PeoplePicker } from "../conversations/PeoplePicker";
import type { AccountId, Conversation } from "../device/contract";
import { useDevice } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { Failure } from "../signin/Failure";
import look from "./details.module.css";

export function AddPeople({ conversation, close }: { conversation: Conversation; close: () => void }) {
  const { t } = useTranslation();
  const device = useDevice();
  const command = useCommand();
  const [chosen, setChosen] = useState<ReadonlySet<AccountId>>(new Set());
  const toggle = (account: AccountId) =>
    setChosen((before) => {
      const after = new Set(before);
      if (!after.delete(account)) after.add(account);
      return after;
    });
  const add = async () => {
    if (await command.run(() => device.addAccounts(conversation.id, [...chosen]))) close();
  };
  return (
    <Modal opened onClose={close} title={t("picker.addTitle")} size="md" padding={0} closeButtonProps={{ "aria-label": t("app.close") }} classNames={{ header: look.dialogHeader }}>
      <div className={look.picker}>
        <PeoplePicker choose={toggle} chosen={chosen} without={conversation.accounts} />
        <Failure text={command.failure} />
        <footer className={look.pickerFooter}>
          <span role="status">{chosen.size > 0 && t("picker.chosen", { count: chosen.size })}</span>
          <Button loading={command.busy} disabled={chosen.size === 0} onClick={() => void add()}>
            {t("picker.add")}
          </Button>
        </footer>
      </div>
    </Modal>
  );
}
