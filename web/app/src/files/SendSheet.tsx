// What has been picked, before it is sent: looked at, described, thrown out again.
import { ActionIcon, Loader, Modal, Switch } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { FILE_BYTES_MAX } from "../device/contract";
import { sends } from "../conversation/composerKeys";
import { Icon } from "../look/Icon";
import { useFocusBack } from "../shell/useFocusBack";
import { useLanguage } from "../shell/useLanguage";
import { usePhone } from "../shell/usePhone";
import { Failure } from "../signin/Failure";
import { Badge } from "./DocumentBody";
import { shownName } from "./name";
import { faultOf, parcelOf, type Picked, PICKED_MAX } from "./outgoing";
import { sizeText } from "./size";
import { Stage } from "./Stage";
import { useThumbnail } from "./useThumbnail";
import type { Outgoing } from "./useOutgoing";
import look from "./SendSheet.module.css";

interface Props {
  outgoing: Outgoing;
  title: string;
  onSent: () => void;
}

export function SendSheet(props: Props) {
  const [first] = props.outgoing.all;
  return first ? <Sheet {...props} first={first} /> : null;
}

function Sheet({ outgoing, title, onSent, first }: Props & { first: Picked }) {
  const { t } = useTranslation();
  useFocusBack();
  const faults = useFaults(outgoing);
  const phone = usePhone();
  const [currentKey, setCurrent] = useState<number | null>(null);
  const { all, sending } = outgoing;
  const current = all.find((one) => one.key === currentKey) ?? first;
  const send = async () => {
    if (!outgoing.ready) return;
    if (await outgoing.send()) onSent();
  };
  return (
    <Modal opened onClose={() => sending || outgoing.clear()} fullScreen={phone} size={620} title={t("attach.title", { name: title })} closeButtonProps={{ "aria-label": t("app.close"), disabled: sending }} classNames={{ content: look.sheet, body: look.body }}>
      <Stage key={current.key} picked={current} />
      <About picked={current} outgoing={outgoing} />
      {all.length > 1 && <Strip all={all} current={current} choose={setCurrent} remove={outgoing.remove} sending={sending} />}
      <Failure text={faults} />
      <CaptionBar picked={current} outgoing={outgoing} send={() => void send()} />
    </Modal>
  );
}

/** What keeps it from being sent, in words. */
function useFaults({ all, left, failure }: Outgoing): string | null {
  const { t } = useTranslation();
  const { language } = useLanguage();
  if (failure !== null) return failure;
  const faulty = all.find((one) => faultOf(one) !== null);
  if (faulty) {
    const name = shownName(faulty.file.name) || t("file.unnamed");
    switch (faultOf(faulty)) {
      case "too-large":
        return t("attach.tooLarge", { name, max: sizeText(FILE_BYTES_MAX, language) });
      case "empty":
        return t("attach.empty", { name });
      case "caption-too-long":
        return t("attach.captionTooLong");
    }
  }
  return left > 0 ? t("attach.tooMany", { max: PICKED_MAX }) : null;
}

function About({ picked, outgoing }: { picked: Picked; outgoing: Outgoing }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const parcel = parcelOf(picked);
  if (!picked.prepared || !parcel) {
    return (
      <p className={look.about} role="status">
        <Loader size={15} /> {t("attach.preparing")}
      </p>
    );
  }
  const { about, content } = parcel;
  const pixels = about.width > 0 ? `${about.width} × ${about.height}` : null;
  const facts = [pixels, sizeText(content.size, language)].filter((fact) => fact !== null).join(" · ");
  const tells = picked.prepared.tells || (picked.asOriginal && picked.prepared.original !== null);
  return (
    <div className={look.about}>
      <div className={look.facts}>
        <span>{facts}</span>
        {picked.prepared.original && (
          <Switch size="sm" labelPosition="left" label={t("attach.original")} checked={picked.asOriginal} disabled={outgoing.sending} onChange={(event) => outgoing.originals(event.currentTarget.checked)} />
        )}
      </div>
      <Note picked={picked} tells={tells} />
    </div>
  );
}

/** Whether it tells where it was taken. Nothing is said of documents: nobody here knows what is in them. */
function Note({ picked: { prepared, file }, tells }: { picked: Picked; tells: boolean }) {
  const { t } = useTranslation();
  const media = /^(?:image|video)\//.test(file.type);
  if (!prepared || !media) return null;
  if (!tells) {
    return prepared.original === null ? null : (
      <p className={look.note}>
        <Icon name="shield" size={16} /> {t("attach.stripped")}
      </p>
    );
  }
  return (
    <p className={look.note} data-tells>
      <Icon name="alert" size={16} /> {prepared.kind === "document" ? t("attach.tellsDocument") : prepared.kind === "video" ? t("attach.tellsVideo") : t("attach.tellsPicture")}
    </p>
  );
}

interface StripProps {
  all: readonly Picked[];
  current: Picked;
  choose: (key: number) => void;
  remove: (key: number) => void;
  sending: boolean;
}

function Strip({ all, current, choose, remove, sending }: StripProps) {
  const { t } = useTranslation();
  return (
    <ul className={look.strip} aria-label={t("attach.picked", { count: all.length })}>
      {all.map((one, at) => (
        <li key={one.key} className={look.tile} data-current={one === current || undefined} data-faulty={faultOf(one) !== null || undefined}>
          <button type="button" className={look.choose} aria-current={one === current || undefined} aria-label={t("attach.show", { at: at + 1, name: shownName(one.file.name) || t("file.unnamed") })} onClick={() => choose(one.key)}>
            <Tile picked={one} />
          </button>
          <button type="button" className={look.remove} disabled={sending} aria-label={t("attach.remove", { name: shownName(one.file.name) || t("file.unnamed") })} onClick={() => remove(one.key)}>
            <Icon name="close" size={14} />
          </button>
        </li>
      ))}
    </ul>
  );
}

function Tile({ picked }: { picked: Picked }) {
  const thumbnail = useThumbnail(picked.prepared?.parcel.about.thumbnail ?? null);
  if (thumbnail) return <img src={thumbnail} alt="" draggable={false} />;
  return picked.prepared ? <Badge name={shownName(picked.file.name)} /> : <Loader size={18} />;
}

function CaptionBar({ picked, outgoing, send }: { picked: Picked; outgoing: Outgoing; send: () => void }) {
  const { t } = useTranslation();
  const coarse = useMediaQuery("(pointer: coarse)", undefined, { getInitialValueInEffect: false }) ?? false;
  const { all, ready, sending } = outgoing;
  return (
    <form
      className={look.bar}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        className={look.caption}
        rows={1}
        value={picked.caption}
        onChange={(event) => outgoing.caption(picked.key, event.currentTarget.value)}
        onKeyDown={(event) => {
          const { key, shiftKey, ctrlKey, metaKey } = event;
          if (!sends({ key, shiftKey, ctrlKey, metaKey, isComposing: event.nativeEvent.isComposing }, coarse)) return;
          event.preventDefault();
          send();
        }}
        placeholder={t("attach.caption")}
        aria-label={t("attach.captionOf", { name: shownName(picked.file.name) || t("file.unnamed") })}
        disabled={sending}
        dir="auto"
        data-autofocus={coarse ? undefined : true}
      />
      <ActionIcon type="submit" variant="filled" size={44} aria-label={t("attach.send", { count: all.length })} disabled={!ready} loading={sending}>
        <Icon name="send" size={22} />
      </ActionIcon>
    </form>
  );
}
