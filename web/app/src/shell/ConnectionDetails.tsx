// What the connection is like, for those who want to know and for the IT on the phone.
import { useTranslation } from "react-i18next";
import type { Connection } from "../device/contract";
import { useView } from "../session/Session";
import { moment } from "../time/format";
import { useLanguage } from "./useLanguage";
import look from "./Connection.module.css";

export function connectionKey(connection: Connection): "online" | "catchingUp" | "connecting" | "offline" {
  if (connection.state !== "online") return connection.state;
  return connection.level ? "online" : "catchingUp";
}

export function ConnectionDetails() {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const connection = useView((view) => view.connection);
  return (
    <dl className={look.details}>
      <dt>{t("connection.state")}</dt>
      <dd>{t(`connection.${connectionKey(connection)}`)}</dd>
      <dt>{t("connection.since")}</dt>
      <dd>{connection.sinceMs > 0 ? moment(connection.sinceMs, language) : "–"}</dd>
      <dt>{t("connection.transport")}</dt>
      <dd>{t(`connection.${connection.transport ?? "none"}`)}</dd>
      {connection.fallbackReason !== null && (
        <>
          <dt>{t("connection.reason")}</dt>
          <dd>{connection.fallbackReason}</dd>
        </>
      )}
      <dt>{t("connection.level")}</dt>
      <dd>{connection.level ? t("connection.levelYes") : t("connection.levelNo")}</dd>
    </dl>
  );
}
