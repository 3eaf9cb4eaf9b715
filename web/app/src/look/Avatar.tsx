// People are round, groups have corners, and a channel is a voice with a megaphone in it: the difference is seen before anything is read.
import type { CSSProperties } from "react";
import { useTranslation } from "react-i18next";
import { hueOf, initialsOf, type Shape } from "./face";
import { Icon, type IconName } from "./Icon";
import look from "./Avatar.module.css";

/** Shapes that have a picture instead of initials. */
const ICONS: Partial<Record<Shape, IconName>> = { archive: "archive", channel: "megaphone" };

interface Props {
  id: string;
  name: string;
  shape: Shape;
  size?: number;
  /** Shows the dot; leave it out where presence is not known or does not matter. */
  online?: boolean;
}

export function Avatar({ id, name, shape, size = 44, online = false }: Props) {
  const { t } = useTranslation();
  const icon = ICONS[shape];
  const style = { "--hue": hueOf(id), "--size": `${size}px` } as CSSProperties;
  return (
    <span className={look.frame} style={style} data-shape={shape}>
      {/* The initials are drawn by the style sheet: they are a picture, not text to be copied or read out. */}
      <span className={look.face} data-initials={icon ? undefined : initialsOf(name)} aria-hidden="true">
        {icon && <Icon name={icon} size={size * 0.55} />}
      </span>
      {online && <span className={look.online} role="img" aria-label={t("conversation.online")} />}
    </span>
  );
}
