// One's own things: account, devices, look, notifications, storage, connection, leaving.
import { Button, SegmentedControl, useMantineColorScheme, type MantineColorScheme } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { PaneHeader } from "../conversations/PaneHeader";
import { DeviceList } from "../details/DeviceList";
import { Section } from "../details/parts";
import { chooseLanguage, languageOf, type Language } from "../i18n/language";
import { Avatar } from "../look/Avatar";
import { Confirm } from "../look/Confirm";
import { Icon } from "../look/Icon";
import { nameOf } from "../session/naming";
import { useConfirmations, useDevice, useDrafts, useHistories, useView } from "../session/Session";
import { ConnectionDetails } from "../shell/ConnectionDetails";
import { useNavigation } from "../shell/place";
import { usePhone } from "../shell/usePhone";
import { LinkDevice } from "./LinkDevice";
import { Notifications } from "./Notifications";
import { SoundAndPicture } from "./SoundAndPicture";
import look from "./settings.module.css";

export function Settings() {
  const { t, i18n } = useTranslation();
  const { back } = useNavigation();
  const phone = usePhone();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const persistent = useView((view) => view.storagePersistent);
  const storage = persistent === null ? t("settings.storageUnknown") : persistent ? t("settings.storageYes") : t("settings.storageNo");
  return (
    <>
      <PaneHeader title={t("settings.title")} back={back} icon={phone ? "back" : "close"} />
      <div className={look.scroll}>
        <div className={look.column}>
          <Profile />
          <Section title={t("settings.devices")} icon="devices">
            <DeviceList account={null} />
            <LinkDevice />
          </Section>
          <Section title={t("settings.look")} icon="sliders">
            <div className={look.choice}>
              <span id="theme">{t("settings.theme")}</span>
              <SegmentedControl
                aria-labelledby="theme"
                value={colorScheme}
                onChange={(scheme) => setColorScheme(scheme as MantineColorScheme)}
                data={[
                  { value: "auto", label: t("settings.system") },
                  { value: "light", label: t("settings.light") },
                  { value: "dark", label: t("settings.dark") },
                ]}
              />
            </div>
            <div className={look.choice}>
              <span id="language">{t("settings.language")}</span>
              <SegmentedControl
                aria-labelledby="language"
                value={languageOf(i18n.language)}
                onChange={(language) => chooseLanguage(language as Language)}
                data={[
                  { value: "de", label: "Deutsch" },
                  { value: "en", label: "English" },
                ]}
              />
            </div>
          </Section>
          <Section title={t("devices.title")} icon="video">
            <SoundAndPicture />
          </Section>
          <Section title={t("settings.notifications")} icon="bell">
            <Notifications />
          </Section>
          <Section title={t("settings.storage")} icon="archive">
            <p className={look.text}>{storage}</p>
          </Section>
          <Section title={t("settings.connection")} icon="link">
            <ConnectionDetails />
          </Section>
          <SignOut />
        </div>
      </div>
    </>
  );
}

function Profile() {
  const { t } = useTranslation();
  const me = useView((view) => view.me);
  const accounts = useView((view) => view.accounts);
  const hospital = useView((view) => view.hospital);
  if (me === null) return null;
  return (
    <section className={look.profile} aria-label={t("settings.profile")}>
      <Avatar id={me} name={nameOf(accounts, me)} shape="person" size={64} />
      <div>
        <h2>{nameOf(accounts, me)}</h2>
        <p>{[accounts[me]?.role, hospital].filter(Boolean).join(" · ")}</p>
        <p className={look.small}>{t("settings.profileHint")}</p>
      </div>
    </section>
  );
}

function SignOut() {
  const { t } = useTranslation();
  const device = useDevice();
  const histories = useHistories();
  const drafts = useDrafts();
  const confirmations = useConfirmations();
  const [asking, setAsking] = useState(false);
  const leave = async () => {
    await device.signOut();
    histories.clear();
    drafts.clear();
    confirmations.clear();
    window.history.replaceState(null, "");
  };
  return (
    <section className={look.signOut}>
      <Button variant="light" color="red" leftSection={<Icon name="leave" size={18} />} onClick={() => setAsking(true)}>
        {t("settings.signOut")}
      </Button>
      <p className={look.small}>{t("settings.signOutHint")}</p>
      {asking && <Confirm title={t("settings.signOut")} text={t("settings.signOutAsk")} action={t("settings.signOutDo")} run={leave} close={() => setAsking(false)} />}
    </section>
  );
}
