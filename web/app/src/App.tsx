// Which of the screens is shown: that follows from the device's phase alone.
import { Loader, MantineProvider } from "@mantine/core";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Device } from "./device/contract";
import { Mark } from "./look/Icon";
import { theme } from "./look/theme";
import { SessionProvider, useView } from "./session/Session";
import { Shell } from "./shell/Shell";
import { Ended } from "./signin/Ended";
import { Linking } from "./signin/Linking";
import { SignIn } from "./signin/SignIn";
import look from "./App.module.css";

/** The server writes a fresh one into each page it serves. */
function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
}

export function App({ device, enrolmentCode }: { device: Device; enrolmentCode: string | null }) {
  return (
    // Mantine's own style elements are written through innerHTML, which Trusted Types refuse: look/tokens.css has what would stand in them.
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={nonce} withCssVariables={false} withGlobalClasses={false}>
      <SessionProvider device={device}>
        <Screen enrolmentCode={enrolmentCode} />
      </SessionProvider>
    </MantineProvider>
  );
}

function Screen({ enrolmentCode }: { enrolmentCode: string | null }) {
  const phase = useView((view) => view.phase);
  // A link is left over only where somebody was signed in before it was opened.
  const used = useRef(false);
  if (phase === "signed-out") used.current = true;
  switch (phase) {
    case "loading":
      return <Starting />;
    case "signed-out":
      return <SignIn found={enrolmentCode} />;
    case "linking":
      return <Linking />;
    case "ended":
      return <Ended />;
    case "open":
      return <Shell unusedCode={enrolmentCode !== null && !used.current} />;
  }
}

function Starting() {
  const { t } = useTranslation();
  return (
    <main className={look.starting} aria-busy="true">
      <Mark size={56} />
      <h1 aria-live="polite">{t("app.loading")}</h1>
      <Loader size="sm" />
    </main>
  );
}
