import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { useLanguage } from "../shell/useLanguage";
import { duration } from "../time/format";
import type { ShownProps } from "./FileBody";
import { MediaFrame, MediaState } from "./Media";
import { sizeText } from "./size";
import { useFile, useHere } from "./useFile";
import look from "./files.module.css";

export function VideoBody({ message, file, broken }: ShownProps) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const [wanted, setWanted] = useState(false);
  const state = useFile(message, file);
  const here = useHere(message, true);
  const { content } = state;
  const play = () => {
    setWanted(true);
    state.open();
  };
  const facts = [file.durationMs > 0 ? duration(file.durationMs) : null, here || content.state === "here" ? null : sizeText(file.bytes, language)];
  const playing = wanted && content.state === "here";
  const start = (
    <div className={look.middle}>
      <button type="button" className={look.play} data-main tabIndex={-1} aria-label={file.caption === "" ? t("file.play") : `${t("file.play")}: ${file.caption}`} onClick={play}>
        <Icon name="play" size={26} />
      </button>
    </div>
  );
  return (
    <MediaFrame file={file}>
      {playing ? (
        <video className={look.film} src={content.url} controls autoPlay playsInline aria-label={file.caption || t("file.video")} onError={broken} />
      ) : (
        <>
          <MediaState state={state} idle={start} />
          {content.state === "here" && start}
          <span className={look.facts}>
            <Icon name="video" size={15} /> {facts.filter((fact) => fact !== null).join(" · ")}
          </span>
        </>
      )}
    </MediaFrame>
  );
}
