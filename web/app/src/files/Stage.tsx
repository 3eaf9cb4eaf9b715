// One picked file, large, exactly as the others will get it.
import { Loader } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Badge, FileName } from "./DocumentBody";
import { shownType } from "./kind";
import { shownName } from "./name";
import { parcelOf, type Picked } from "./outgoing";
import { useObjectUrl } from "./useObjectUrl";
import { useMemo } from "react";
import look from "./SendSheet.module.css";

export function Stage({ picked }: { picked: Picked }) {
  const { t } = useTranslation();
  const parcel = parcelOf(picked);
  const shown = useMemo(() => {
    const type = parcel && shownType(parcel.about.mime);
    return parcel && type ? parcel.content.slice(0, parcel.content.size, type) : null;
  }, [parcel]);
  const url = useObjectUrl(shown);
  if (!parcel || !picked.prepared) {
    return (
      <div className={look.stage}>
        <Loader />
      </div>
    );
  }
  const name = shownName(parcel.about.name) || t("file.unnamed");
  switch (picked.prepared.kind) {
    case "picture":
      return <div className={look.stage}>{url && <img src={url} alt={name} draggable={false} />}</div>;
    case "video":
      return <div className={look.stage}>{url && <video src={url} controls playsInline aria-label={name} />}</div>;
    case "sound":
    case "document":
      return (
        <div className={look.stage} data-plain>
          <Badge name={name} />
          <FileName file={parcel.about} />
          {picked.prepared.kind === "sound" && url && <audio src={url} controls aria-label={name} />}
        </div>
      );
  }
}
