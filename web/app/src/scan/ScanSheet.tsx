// Scans a QR code with the camera. The picture is looked at on this device and kept nowhere.
import { Button, Loader, Modal } from "@mantine/core";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { useFocusBack } from "../shell/useFocusBack";
import { type Scanned, whatIs } from "./codes";
import { type Trouble, useScanner } from "./useScanner";
import look from "./scan.module.css";

interface Props {
  /** What is looked for. Anything else is named, with what to do, and the camera goes on looking. */
  wanted: Exclude<Scanned, "foreign">;
  title: string;
  /** What to hold before the camera. */
  hint: string;
  onFound: (text: string) => void;
  close: () => void;
}

export function ScanSheet({ wanted, title, hint, onFound, close }: Props) {
  const { t } = useTranslation();
  useFocusBack();
  const video = useRef<HTMLVideoElement>(null);
  const [other, setOther] = useState<Scanned | null>(null);
  const { scanning, again } = useScanner(video, (text) => {
    const kind = whatIs(text);
    if (kind !== wanted) return setOther(kind), false;
    // Felt, where a phone can: one looks at the code, not at the screen.
    navigator.vibrate?.(40);
    onFound(text.trim());
    return true;
  });
  return (
    <Modal opened onClose={close} title={title} size={420} closeButtonProps={{ "aria-label": t("app.close") }}>
      <div className={look.sheet}>
        {scanning.state === "failed" ? (
          <Failed trouble={scanning.trouble} again={again} />
        ) : (
          <>
            <p className={look.hint}>{hint}</p>
            <div className={look.finder} data-looking={scanning.state === "looking" || undefined}>
              <video ref={video} muted playsInline aria-label={t("scan.picture")} data-mirrored={(scanning.state === "looking" && scanning.mirrored) || undefined} />
              <Corners />
              {scanning.state === "starting" && (
                <div className={look.starting} role="status">
                  <Loader size={22} color="white" />
                  <span>{t("scan.starting")}</span>
                </div>
              )}
            </div>
            <div role="alert" className={look.other} hidden={other === null}>
              {other && (
                <>
                  <Icon name="alert" size={18} />
                  <span>{t(`scanned.${other}`)}</span>
                </>
              )}
            </div>
            <p className={look.private}>
              <Icon name="lock" size={15} />
              <span>{t("scan.private")}</span>
            </p>
          </>
        )}
        <Button variant="default" size="md" onClick={close}>
          {wanted === "safety" ? t("app.cancel") : t("scan.instead")}
        </Button>
      </div>
    </Modal>
  );
}

function Failed({ trouble, again }: { trouble: Trouble; again: () => void }) {
  const { t } = useTranslation();
  return (
    <div className={look.failed} role="alert">
      <span className={look.sign}>
        <Icon name="cameraOff" size={30} />
      </span>
      <strong>{t(`scanTrouble.${trouble}`)}</strong>
      <p>{t(`scanTrouble.${trouble}Body`)}</p>
      <Button variant="light" size="md" leftSection={<Icon name="retry" size={18} />} onClick={again} data-autofocus>
        {t("app.retry")}
      </Button>
    </div>
  );
}

/** Where to hold the code. */
function Corners() {
  return (
    <svg className={look.corners} viewBox="0 0 100 100" fill="none" aria-hidden="true">
      <path d="M14 28v-9a5 5 0 0 1 5-5h9M72 14h9a5 5 0 0 1 5 5v9M86 72v9a5 5 0 0 1-5 5h-9M28 86h-9a5 5 0 0 1-5-5v-9" />
    </svg>
  );
}
