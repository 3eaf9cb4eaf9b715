import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { useLanguage } from "../shell/useLanguage";
import type { ShownProps } from "./FileBody";
import { MediaFrame, MediaState } from "./Media";
import { sizeText } from "./size";
import { useAutomatic, useFile } from "./useFile";
import { useViewing } from "./viewing";
import look from "./files.module.css";

export function PictureBody({ message, file, broken }: ShownProps) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const box = useRef<HTMLDivElement>(null);
  const state = useFile(message, file);
  const view = useViewing();
  useAutomatic(message, file, state, box);
  const { content } = state;
  const size = sizeText(file.bytes, language);
  const stopped = content.state === "absent" && message.state === "sent";
  return (
    <MediaFrame file={file} box={box}>
      {content.state === "here" && (
        <>
          <img className={look.fill} src={content.url} alt="" decoding="async" draggable={false} onError={broken} />
          <button type="button" className={look.cover} data-main tabIndex={-1} aria-label={file.caption === "" ? t("file.view") : `${t("file.view")}: ${file.caption}`} onClick={() => view(message.id)} />
        </>
      )}
      <MediaState
        state={state}
        idle={
          stopped && (
            <div className={look.middle} data-soon>
              <button type="button" className={look.pill} data-main tabIndex={-1} aria-label={t("file.fetch", { size })} onClick={state.open}>
                <Icon name="save" size={17} /> {size}
              </button>
            </div>
          )
        }
      />
    </MediaFrame>
  );
}
