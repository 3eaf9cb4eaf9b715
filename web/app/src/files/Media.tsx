// The frame of a picture or film: its small picture, and above it how far the content is.
import type { ReactNode, RefObject } from "react";
import { useTranslation } from "react-i18next";
import type { FileAbout, Transfer } from "../device/contract";
import { Icon } from "../look/Icon";
import { explain } from "../session/failure";
import { frameOf } from "./frame";
import { Ring, useTransferText } from "./Ring";
import { useThumbnail } from "./useThumbnail";
import type { FileState } from "./useFile";
import look from "./files.module.css";

export function MediaFrame({ file, box, children }: { file: FileAbout; box?: RefObject<HTMLDivElement | null>; children: ReactNode }) {
  const thumbnail = useThumbnail(file.thumbnail);
  const { width, height } = frameOf(file.width, file.height);
  return (
    <div ref={box} className={look.media} style={{ aspectRatio: `${width} / ${height}` }}>
      {thumbnail && <img className={look.fill} src={thumbnail} alt="" decoding="sync" draggable={false} />}
      {children}
    </div>
  );
}

/** What lies in the middle while the content is not here. `idle` stands there while nothing happens. */
export function MediaState({ state, idle }: { state: FileState; idle: ReactNode }) {
  const { t } = useTranslation();
  const { content, transfer } = state;
  if (transfer || content.state === "coming") return <OnItsWay transfer={transfer} cancel={state.cancel} />;
  if (content.state === "failed") {
    return (
      <div className={look.middle} role="alert">
        <button type="button" className={look.pill} data-main tabIndex={-1} onClick={state.open}>
          <Icon name="retry" size={17} /> {t("app.retry")}
        </button>
        <span className={look.chip}>{explain(content.failure, t, "file")}</span>
      </div>
    );
  }
  return content.state === "absent" ? idle : null;
}

function OnItsWay({ transfer, cancel }: { transfer: Transfer | undefined; cancel: () => void }) {
  const text = useTransferText(transfer);
  return (
    <div className={look.middle} data-soon={transfer ? undefined : true}>
      <Ring transfer={transfer} cancel={cancel} />
      {transfer && <span className={look.chip}>{text}</span>}
    </div>
  );
}
