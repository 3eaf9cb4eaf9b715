// How a broadcast goes, for its channel's operators. What draws the curves is loaded only when somebody looks.
import { Loader, Modal } from "@mantine/core";
import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";
import type { Broadcast } from "../device/contract";
import { usePhone } from "../shell/usePhone";
import { ABOVE_BROADCAST } from "./StageFrame";
import look from "./status.module.css";

const StatusPanel = lazy(() => import("./StatusPanel"));

export function Status({ broadcast, close }: { broadcast: Broadcast; close: () => void }) {
  const { t } = useTranslation();
  const phone = usePhone();
  return (
    <Modal opened onClose={close} fullScreen={phone} size={1040} zIndex={ABOVE_BROADCAST} title={t("broadcastStatus.open")} closeButtonProps={{ "aria-label": t("app.close") }}>
      <Suspense fallback={<Loader className={look.loading} />}>
        <StatusPanel broadcast={broadcast} />
      </Suspense>
    </Modal>
  );
}
