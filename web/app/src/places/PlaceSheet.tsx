// Sends a place: in words, as coordinates, or both. Inside a building the words are what finds the door.
import { ActionIcon, Button, Loader, Modal, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { PLACE_WORDS_BYTES_MAX, type ConversationId } from "../device/contract";
import { utf8Length } from "../files/name";
import { Icon } from "../look/Icon";
import { useDevice } from "../session/Session";
import { useCommand } from "../session/useCommand";
import { useFocusBack } from "../shell/useFocusBack";
import { useLanguage } from "../shell/useLanguage";
import { Failure } from "../signin/Failure";
import { accuracyText, coordinatesText } from "./coordinates";
import { type Search, usePosition } from "./usePosition";
import look from "./PlaceSheet.module.css";

interface Props {
  conversation: ConversationId;
  title: string;
  close: () => void;
  onSent: () => void;
}

export function PlaceSheet({ conversation, title, close, onSent }: Props) {
  const { t } = useTranslation();
  useFocusBack();
  const device = useDevice();
  const command = useCommand();
  const [words, setWords] = useState("");
  const { search, start, forget } = usePosition();
  const { position } = search;
  const tooLong = utf8Length(words.trim()) > PLACE_WORDS_BYTES_MAX;
  const sendable = (words.trim() !== "" || position !== null) && !tooLong;
  const send = async () => {
    if (!sendable || !(await command.run(() => device.sendLocation(conversation, { words: words.trim(), position })))) return;
    onSent();
    close();
  };
  return (
    <Modal opened onClose={close} title={t("place.title", { name: title })} size="md" closeButtonProps={{ "aria-label": t("app.close") }}>
      <form
        className={look.sheet}
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <TextInput label={t("place.words")} placeholder={t("place.wordsPlaceholder")} size="md" value={words} onChange={(event) => setWords(event.currentTarget.value)} error={tooLong ? t("place.tooLong") : undefined} autoComplete="off" data-autofocus />
        <Found search={search} start={start} forget={forget} />
        <Failure text={command.failure ?? (search.state === "failed" ? t(`place.${search.trouble}`) : null)} />
        <p className={look.hint}>{t("place.hint")}</p>
        <Button type="submit" size="md" leftSection={<Icon name="send" />} loading={command.busy} disabled={!sendable}>
          {t("place.send")}
        </Button>
      </form>
    </Modal>
  );
}

function Found({ search, start, forget }: { search: Search; start: () => void; forget: () => void }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  if (search.state === "idle" || search.state === "failed") {
    return (
      <Button variant="light" size="md" leftSection={<Icon name="target" />} onClick={start}>
        {search.state === "failed" ? t("app.retry") : t("place.mine")}
      </Button>
    );
  }
  const { position } = search;
  const accuracy = position && t("place.accuracy", { distance: accuracyText(position.accuracyM, language) });
  return (
    <div className={look.found} role="status">
      {search.state === "searching" ? <Loader size={22} /> : <Icon name="target" size={22} />}
      <div className={look.lines}>
        <strong>{search.state === "searching" ? t("place.searching") : t("place.found")}</strong>
        {position && (
          <span>
            {coordinatesText(position)} · {accuracy}
          </span>
        )}
      </div>
      <ActionIcon aria-label={t("place.forget")} onClick={forget}>
        <Icon name="close" size={18} />
      </ActionIcon>
    </div>
  );
}
