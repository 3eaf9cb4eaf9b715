// A place in its bubble: the words first, for they lead to the right door. No map: its pictures would tell a stranger's server where somebody is.
import { useClipboard } from "@mantine/hooks";
import { useTranslation } from "react-i18next";
import type { Place } from "../device/contract";
import { Icon } from "../look/Icon";
import { useLanguage } from "../shell/useLanguage";
import { accuracyText, coordinatesText, mapAddress, validPosition } from "./coordinates";
import look from "./places.module.css";

export function PlaceBody({ place }: { place: Place }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const clipboard = useClipboard({ timeout: 2000 });
  const position = validPosition(place);
  return (
    <div className={look.place}>
      <div className={look.head}>
        <span className={look.pin}>
          <Icon name="pin" size={24} />
        </span>
        <div className={look.lines}>
          <span className={look.words} dir="auto">
            {place.words || t("place.one")}
          </span>
          {position && (
            <span className={look.coordinates}>
              {coordinatesText(position)}
              {position.accuracyM > 0 && ` · ${t("place.accuracy", { distance: accuracyText(position.accuracyM, language) })}`}
            </span>
          )}
        </div>
      </div>
      {position && (
        <div className={look.doing}>
          {/* In a place of its own: a browser without a map application would show its error instead of this page. */}
          <a href={mapAddress(position)} target="_blank" rel="noopener noreferrer" data-main tabIndex={-1}>
            <Icon name="map" size={18} /> {t("place.open")}
          </a>
          <button type="button" tabIndex={-1} aria-label={t("place.copyCoordinates")} onClick={() => clipboard.copy(coordinatesText(position))}>
            <Icon name={clipboard.copied ? "check" : "copy"} size={17} /> {clipboard.copied ? t("app.copied") : t("app.copy")}
          </button>
        </div>
      )}
    </div>
  );
}
