// The node has shut this device out for good. What is left is to say why and to begin anew.
import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { explainReason } from "../session/failure";
import { useConfirmations, useDevice, useDrafts, useHistories, useView } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { Failure } from "./Failure";
import { Stage } from "./Stage";
import look from "./signin.module.css";

export function Ended() {
  const { t } = useTranslation();
  const device = useDevice();
  const histories = useHistories();
  const drafts = useDrafts();
  const confirmations = useConfirmations();
  const command = useCommand();
  const why = useView((view) => view.ended);
  const wipe = async () => {
    const wiped = await command.run(() => device.signOut());
    if (!wiped) return;
    histories.clear();
    drafts.clear();
    confirmations.clear();
  };
  return (
    <Stage lead={null}>
      <section className={look.card} aria-labelledby="ended">
        <h2 id="ended">{t("ended.title")}</h2>
        <p>{t("ended.body")}</p>
        {why && (
          <p className={look.reason}>
            <strong>{t("ended.reason")}:</strong> {explainReason(why, t)}
          </p>
        )}
        <Failure text={command.failure} />
        <Button color="red" fullWidth loading={command.busy} onClick={() => void wipe()}>
          {t("ended.wipe")}
        </Button>
        <p className={look.small}>{t("ended.wipeHint")}</p>
      </section>
    </Stage>
  );
}
