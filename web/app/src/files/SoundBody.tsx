import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";
import { useLanguage } from "../shell/useLanguage";
import { duration } from "../time/format";
import { FileName, FileNote } from "./DocumentBody";
import type { ShownProps } from "./FileBody";
import { Ring } from "./Ring";
import { sizeText } from "./size";
import { useFile } from "./useFile";
import look from "./files.module.css";

export function SoundBody({ message, file, broken }: ShownProps) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const [wanted, setWanted] = useState(false);
  const state = useFile(message, file);
  const { content, transfer } = state;
  const facts = [file.durationMs > 0 ? duration(file.durationMs) : null, sizeText(file.bytes, language)].filter((fact) => fact !== null).join(" · ");
  const play = () => {
    setWanted(true);
    state.open();
  };
  if (wanted && content.state === "here") {
    return (
      <div className={look.sound}>
        <FileName file={file} />
        <audio src={content.url} controls autoPlay aria-label={file.caption || t("file.sound")} onError={broken} />
      </div>
    );
  }
  return (
    <div className={look.document}>
      {transfer || content.state === "coming" ? (
        <Ring transfer={transfer} cancel={state.cancel} />
      ) : (
        <button type="button" className={look.play} data-main tabIndex={-1} aria-label={t("file.playSound")} onClick={play}>
          <Icon name="play" size={22} />
        </button>
      )}
      <span className={look.documentLines}>
        <FileName file={file} />
        <FileNote state={state} idle={facts} />
      </span>
    </div>
  );
}
