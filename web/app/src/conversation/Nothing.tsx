// The large pane while no conversation is chosen.
import { useTranslation } from "react-i18next";
import { Mark } from "../look/Icon";
import look from "./Conversation.module.css";

export function Nothing() {
  const { t } = useTranslation();
  return (
    <div className={look.nothing}>
      <Mark size={52} />
      <h2>{t("conversation.none")}</h2>
      <p>{t("conversation.noneHint")}</p>
    </div>
  );
}
