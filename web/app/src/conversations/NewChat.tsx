// One tap on a person opens the conversation.
import { useTranslation } from "react-i18next";
import type { AccountId } from "../device/contract";
import { useDevice } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useNavigation } from "../shell/place";
import { Failure } from "../signin/Failure";
import { PaneHeader } from "./PaneHeader";
import { PeoplePicker } from "./PeoplePicker";

export function NewChat() {
  const { t } = useTranslation();
  const device = useDevice();
  const { place, go, back } = useNavigation();
  const command = useCommand();
  const choose = (account: AccountId) =>
    void command.run(async () => {
      const conversation = await device.openDirect(account);
      // Back leads to the list, not to the picker.
      go({ ...place, side: "list", main: { kind: "conversation", conversation }, details: null }, true);
    });
  return (
    <>
      <PaneHeader title={t("picker.chatTitle")} back={back} />
      <Failure text={command.failure} />
      <PeoplePicker choose={choose} />
    </>
  );
}
