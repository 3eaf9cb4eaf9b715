// Says that there is no connection, but only when it lasts: a change of network takes a second and worries nobody.
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { useView } from "../session/Session";
import look from "./Connection.module.css";

const QUIET_MS = 3000;

export function OfflineBanner() {
  const { t } = useTranslation();
  const { state, sinceMs } = useView((view) => view.connection);
  const online = state === "online";
  const [lasting, setLasting] = useState(false);
  const [lostAt, setLostAt] = useState<number | null>(null);
  // From offline to connecting and back is one outage.
  useEffect(() => setLostAt((at) => (online ? null : (at ?? Math.min(sinceMs || Date.now(), Date.now())))), [online, sinceMs]);
  useEffect(() => {
    if (lostAt === null) return setLasting(false);
    const timer = window.setTimeout(() => setLasting(true), Math.max(0, lostAt + QUIET_MS - Date.now()));
    return () => window.clearTimeout(timer);
  }, [lostAt]);
  return (
    <div role="status" aria-live="polite">
      {lasting && !online && (
        <p className={look.banner}>
          <Icon name="cloudOff" size={18} />
          {t("connection.banner")}
        </p>
      )}
    </div>
  );
}
