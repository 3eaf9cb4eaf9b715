// The broadcast of this tab while something else is on the screen: a bar at the top, and its picture in a corner.
import { UnstyledButton } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Picture } from "../calls/Picture";
import type { Broadcast } from "../device/contract";
import { Icon } from "../look/Icon";
import { Elapsed, LiveBadge, useTitle, Viewers } from "./parts";
import callLook from "../calls/calls.module.css";
import look from "./broadcasts.module.css";

interface Props {
  broadcast: Broadcast;
  /** Something is wrong, or unusual: said instead of how long it lasts. */
  said: string | null;
  lost: boolean;
  picture: { stream: MediaStream; label: string; mirrored: boolean } | null;
  makeLarge: () => void;
  children: ReactNode;
}

export function Bar({ broadcast, said, lost, picture, makeLarge, children }: Props) {
  const { t } = useTranslation();
  const title = useTitle(broadcast);
  return (
    <>
      <section className={`${callLook.bar} ${look.bar}`} aria-label={t("broadcast.one")}>
        <button type="button" className={callLook.peer} title={t("broadcast.larger")} onClick={makeLarge}>
          <LiveBadge waits={lost} />
          <span className={callLook.who}>
            <strong>{title}</strong>
            <span role={said === null ? undefined : "status"} className={look.barLine}>
              {said ?? (
                <>
                  <Elapsed since={broadcast.startedAtMs} />
                  <Viewers count={broadcast.viewers} />
                </>
              )}
            </span>
          </span>
        </button>
        <div className={callLook.controls}>{children}</div>
      </section>
      {picture && (
        <UnstyledButton className={`${callLook.small} ${look.small}`} aria-label={t("broadcast.larger")} onClick={makeLarge}>
          <Picture stream={picture.stream} mirrored={picture.mirrored} label={picture.label} />
          <span className={callLook.enlarge} aria-hidden="true">
            <Icon name="larger" size={16} />
          </span>
        </UnstyledButton>
      )}
    </>
  );
}
