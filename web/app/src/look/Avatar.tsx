// People are round, groups have corners: the difference is seen before anything is read.
import type { CSSProperties } from "react";
import { useTranslation } from "react-i18next";
import { hueOf, initialsOf } from "./face";
import { Icon } from "./Icon";
import look from "./Avatar.module.css";

interface Props {
  id: string;
  name: string;
  shape: "person" | "group" | "archive";
  size?: number;
  /** Shows the dot; leave it out where presence is not known or does not matter. */
  online?: boolean;
}

export function Avatar({ id, name, shape, size = 44, online = false }: Props) {
  const { t } = useTranslation();
  const style = { "--hue": hueOf(id), "--size": `${size}px` } as CSSProperties;
  return (
    <span className={look.frame} style={style} data-shape={shape}>
      {/* The initials are drawn by the style sheet: they are a picture, not text to be copied or read out. */}
      <span className={look.face} data-initials={shape === "archive" ? undefined : initialsOf(name)} aria-hidden="true">
        {shape === "archive" && <Icon name="archive" size={size * 0.5} />}
      </span>
      {online && <span className={look.online} role="img" aria-label={t("conversation.online")} />}
    </span>
  );
}
