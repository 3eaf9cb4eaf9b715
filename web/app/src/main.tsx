// Puts the page together: the device, the language, the look, the screens.
import "./look/styles";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { openDevice } from "./device/device";
import { startLanguage } from "./i18n/language";
import { registerOffline } from "./offline/register";
import { takeEnrolmentCode } from "./signin/enrolment";

// First of all, so that the secret is gone from the address before anything else can read or copy it.
const code = takeEnrolmentCode(window.location, window.history);
startLanguage();

const root = document.getElementById("root");
if (!root) throw new Error("the page has no root");
createRoot(root).render(<App device={openDevice()} enrolmentCode={code} />);
registerOffline();
