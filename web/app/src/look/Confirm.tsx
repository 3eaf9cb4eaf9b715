// Asks before something that cannot be taken back.
import { Button, Modal } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useCommand } from "../session/useCommand";
import { Failure } from "../signin/Failure";
import look from "./Confirm.module.css";

interface Props {
  title: string;
  text: string;
  action: string;
  run: () => Promise<unknown>;
  close: () => void;
  /** Where it stands above more than the page. */
  zIndex?: number;
}

export function Confirm({ title, text, action, run, close, zIndex = 200 }: Props) {
  const { t } = useTranslation();
  const command = useCommand();
  const go = async () => {
    if (await command.run(run)) close();
  };
  return (
    <Modal opened onClose={close} title={title} size="sm" zIndex={zIndex} closeButtonProps={{ "aria-label": t("app.close") }}>
      <p className={look.text}>{text}</p>
      <Failure text={command.failure} />
      <div className={look.buttons}>
        <Button variant="default" onClick={close} data-autofocus>
          {t("app.cancel")}
        </Button>
        <Button color="red" loading={command.busy} onClick={() => void go()}>
          {action}
        </Button>
      </div>
    </Modal>
  );
}
