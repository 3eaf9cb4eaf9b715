// A file that is not shown, only named and saved.
import { useTranslation } from "react-i18next";
import type { FileAbout } from "../device/contract";
import { Icon, type IconName } from "../look/Icon";
import { explain } from "../session/failure";
import { useLanguage } from "../shell/useLanguage";
import type { FileProps } from "./FileBody";
import { extensionOf, shownName } from "./name";
import { Ring, useTransferText } from "./Ring";
import { sizeText } from "./size";
import { type FileState, useFile } from "./useFile";
import look from "./files.module.css";

export function DocumentBody({ message, file }: FileProps) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const state = useFile(message, file);
  const { content, transfer } = state;
  const size = sizeText(file.bytes, language);
  const name = shownName(file.name) || t("file.unnamed");
  const lines = (
    <span className={look.documentLines}>
      <FileName file={file} />
      <FileNote state={state} idle={size} />
    </span>
  );
  if (transfer || content.state === "coming") {
    return (
      <div className={look.document}>
        <Ring transfer={transfer} cancel={state.cancel} />
        {lines}
      </div>
    );
  }
  return (
    <div className={look.document} data-saves>
      <Badge name={name} />
      {lines}
      <span className={look.saveMark}>
        <Icon name={content.state === "failed" ? "retry" : "save"} size={20} />
      </span>
      <button type="button" className={look.coverAll} data-main tabIndex={-1} aria-label={t("file.saveNamed", { name, size })} onClick={state.save} />
    </div>
  );
}

/** By the extension, because that decides what the system does with it; what the sender calls its type does not. */
export function Badge({ name }: { name: string }) {
  const extension = extensionOf(name);
  const family = familyOf(extension);
  return (
    <span className={look.badge} data-family={family} aria-hidden="true">
      <Icon name={ICONS[family] ?? "document"} size={22} />
      {extension !== "" && extension.length <= 4 && <span>{extension}</span>}
    </span>
  );
}

const FAMILIES: Record<string, readonly string[]> = {
  pdf: ["pdf"],
  table: ["xls", "xlsx", "ods", "csv"],
  text: ["doc", "docx", "odt", "rtf", "txt", "md"],
  slides: ["ppt", "pptx", "odp"],
  picture: ["jpg", "jpeg", "png", "heic", "heif", "tif", "tiff", "dcm", "svg", "bmp", "webp", "gif"],
  video: ["mp4", "mov", "webm", "avi", "mkv"],
  sound: ["mp3", "m4a", "wav", "ogg", "flac", "aac"],
};

const ICONS: Record<string, IconName> = { picture: "photo", video: "video", sound: "sound" };

function familyOf(extension: string): string {
  return Object.entries(FAMILIES).find(([, extensions]) => extensions.includes(extension))?.[0] ?? "other";
}

export function FileName({ file }: { file: FileAbout }) {
  const { t } = useTranslation();
  return (
    <span className={look.name} dir="ltr">
      {shownName(file.name) || t("file.unnamed")}
    </span>
  );
}

/** The line below the name. */
export function FileNote({ state, idle }: { state: FileState; idle: string }) {
  const { t } = useTranslation();
  const { content, transfer } = state;
  const moving = useTransferText(transfer);
  if (transfer) return <span className={look.note}>{moving}</span>;
  if (content.state === "failed") {
    return (
      <span className={look.note} data-failed role="alert">
        {explain(content.failure, t, "file")}
      </span>
    );
  }
  return <span className={look.note}>{idle}</span>;
}
