// What is done in a scene before its picture is taken, by what a person would do.
import { blurred, screenOf, sheet } from "./camera.mjs";

const ATTACH = /^(Anhängen|Attach)$/;

/** Gives the page's own samples to one of the hidden fields, as a system's file dialog would. */
async function pick(page, field, ...samples) {
  await page.getByRole("button", { name: ATTACH }).waitFor();
  await page.evaluate(async ([to, names]) => {
    const data = new DataTransfer();
    for (const name of names) data.items.add(typeof name === "string" ? await window.samples[name]() : new File([new Uint8Array(name.bytes)], name.name, { type: name.type }));
    const input = document.querySelector(`[data-picker="${to}"]`);
    input.files = data.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, [field, samples]);
  await page.waitForFunction(() => document.querySelector('[role="dialog"]') !== null && document.querySelector('[role="dialog"] [role="status"]') === null, null, { timeout: 20_000 });
}

async function openPlace(page) {
  await page.getByRole("button", { name: ATTACH }).click();
  await page.getByRole("menuitem", { name: /^(Standort|Location)$/ }).click();
}

const MINE = /Meine Position|Add my position/;
/** The first of the conversation; it is fetched only once it is in view. */
async function firstPicture(page) {
  await page.locator('[data-sort="picture"]').first().scrollIntoViewIfNeeded();
  return page.getByRole("button", { name: /^(Foto ansehen|View photo)/ }).first();
}

/** Of the newest own message. */
async function openDelivery(page) {
  await page.locator("[data-own] [data-actions]").last().focus();
  await page.keyboard.press("Enter");
  await page.getByRole("menuitem").nth(1).click();
}

const SCAN = /^(QR-Code scannen|Scan QR code)$/;
const LINK = /Weiteres Gerät verbinden|Link another device/;
const SMALLER = /^(Übertragung verkleinern|Make the broadcast small)$/;
const STATUS = /^(Zustand der Übertragung|How the broadcast goes)$/;

async function compare(page, camera, same) {
  const number = await page.evaluate(() => window.device.safetyNumber(window.people.carla.id));
  const digits = number.replace(/\D/g, "");
  const button = page.getByRole("button", { name: /Scannen und vergleichen|Scan and compare/ });
  await camera.scan(page, screenOf(same ? digits : [...digits].reverse().join("")), button, false);
  await page.getByText(/Auf beiden Seiten gleich|Die Nummern sind verschieden|The same on both|The numbers differ/).scrollIntoViewIfNeeded();
}

/** By the scene's name, with what is done before it: `act@scene`. */
export const ACTS = {
  "emoji@direct": (page) => page.getByRole("button", { name: /Emoji (einfügen|)|Insert emoji/ }).first().click(),
  "search@list": async (page) => page.getByRole("textbox").first().fill("sta"),
  "menu@direct": async (page) => {
    await page.locator("[data-own] [data-actions]").last().focus();
    await page.keyboard.press("Enter");
  },
  "delivery@unread": openDelivery,
  "details@channel": (page) => page.locator("main h1").click(),
  "delivery@channel-operator": openDelivery,
  "add@details": (page) => page.getByRole("button", { name: /Personen hinzufügen|Add people/ }).click(),
  "leave@details": (page) => page.getByRole("button", { name: /Gruppe verlassen|Leave group/ }).click(),
  "qr@person": (page) => page.getByRole("button", { name: /Sicherheitsnummer als QR|Safety number as/ }).click(),
  "link@settings": (page) => page.getByRole("button", { name: LINK }).click(),
  "signout@settings": (page) => page.getByRole("button", { name: /^(Abmelden|Sign out)$/ }).click(),
  "chosen@new-group": async (page) => {
    await page.getByRole("textbox").first().fill("Spätdienst Station 1");
    for (const name of [/Boris/, /Emil/]) await page.getByRole("button", { name }).first().click();
  },
  "attach@files": async (page) => {
    await page.getByRole("button", { name: ATTACH }).click();
  },
  "preview@direct": async (page) => {
    await pick(page, "pictures", "corridor", "xray", "film");
    await page.getByRole("dialog").getByRole("textbox").fill("Flur nach dem Umbau");
  },
  "original@direct": async (page) => {
    await pick(page, "pictures", "corridor");
    await page.getByRole("switch").click();
  },
  "document@direct": (page) => pick(page, "documents", { name: "Aufklärungsbogen Herzkatheter links.pdf", type: "application/pdf", bytes: 284_000 }),
  "large@direct": (page) => pick(page, "documents", { name: "CT-Serie 2026-11.zip", type: "application/zip", bytes: 184_000_000 }),
  "drop@direct": (page) =>
    page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(["x"], "a.png", { type: "image/png" }));
      document.querySelector("[role=log]").dispatchEvent(new DragEvent("dragenter", { bubbles: true, cancelable: true, dataTransfer: data }));
    }),
  "place@places": openPlace,
  "found@places": async (page) => {
    await page.context().grantPermissions(["geolocation"]);
    await page.context().setGeolocation({ latitude: 53.590_61, longitude: 9.975_42, accuracy: 9 });
    await openPlace(page);
    await page.getByRole("dialog").getByRole("textbox").fill("Haus B / 2 / OP 3");
    await page.getByRole("button", { name: MINE }).click();
    await page.getByRole("dialog").getByText(/53.59061/).waitFor();
    await page.context().clearPermissions();
  },
  "denied@places": async (page) => {
    await openPlace(page);
    await page.getByRole("button", { name: MINE }).click();
    await page.getByRole("dialog").getByRole("alert").locator("span").waitFor();
  },
  "viewer@files": async (page) => {
    await (await firstPicture(page)).click();
    await page.getByRole("dialog").waitFor();
  },
  "zoomed@files": async (page) => {
    await (await firstPicture(page)).click();
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("ArrowRight");
    for (let step = 0; step < 3; step += 1) await page.keyboard.press("+");
  },
  "menu@files": async (page) => {
    await (await firstPicture(page)).waitFor();
    await page.locator('[data-sort="picture"]').first().locator("xpath=..").locator("[data-actions]").focus();
    await page.keyboard.press("Enter");
  },
  "connection@list": (page) => page.getByRole("button", { name: /Verbindungsdetails|Connection details/ }).click(),
  "muted@talking": (page) => page.getByRole("button", { name: /Mikrofon ausschalten|Turn microphone off/ }).click(),
  "devices@video": (page) => page.getByRole("button", { name: /Mikrofon, Kamera und|Choose microphone/ }).click(),
  "quality@video-off": (page) => page.getByRole("button", { name: /Verbindung schwach|Connection weak/ }).click(),
  "scan@signin": (page, camera) => camera.scan(page, blurred(sheet("https://wardline.klinik.example/enrol#" + "Ab3_".repeat(45))), SCAN),
  "foreign@signin": async (page, camera) => {
    await camera.scan(page, sheet("https://klinik.example/speiseplan"), SCAN);
    await page.getByRole("dialog").getByRole("alert").locator("span").waitFor();
  },
  "denied@signin": async (page) => {
    await page.context().clearPermissions();
    await page.getByRole("button", { name: SCAN }).click();
    await page.getByRole("dialog").getByRole("alert").locator("strong").waitFor();
  },
  "scan@settings": async (page, camera) => {
    await page.getByRole("button", { name: LINK }).click();
    await camera.scan(page, blurred(screenOf("wardline://link#" + "kT7vXq2m".repeat(12))), /^(Code scannen|Scan the code)$/);
  },
  "scanned@settings": async (page, camera) => {
    await page.getByRole("button", { name: LINK }).click();
    await camera.scan(page, screenOf("wardline://link#" + "kT7vXq2m".repeat(12)), /^(Code scannen|Scan the code)$/, false);
    await page.getByRole("dialog", { name: LINK }).getByText(/Der Code wurde gescannt|The code was scanned/).waitFor();
  },
  "same@person": (page, camera) => compare(page, camera, true),
  "differs@person": (page, camera) => compare(page, camera, false),
  "go@channel-operator": async (page) => {
    // No real device: nothing of it would look like a lecture.
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = async ({ video }) => {
        if (video) return window.samples.lecture();
        const context = new AudioContext();
        const [tone, voice] = [context.createOscillator(), context.createMediaStreamDestination()];
        tone.connect(voice);
        tone.start();
        return voice.stream;
      };
    });
    await page.getByRole("button", { name: /^(Live gehen|Go live)$/ }).click();
    await page.getByRole("dialog").getByRole("textbox").fill("Neue Beatmungsgeräte: Einweisung");
    await page.getByRole("dialog").locator("video").waitFor();
  },
  "small@live-watch": (page) => page.getByRole("button", { name: SMALLER }).click(),
  "small@live-send": (page) => page.getByRole("button", { name: SMALLER }).click(),
  "over@live-watch": (page) => page.evaluate(() => window.device.broadcast(window.id("broadcast"), { state: "ended", end: "sender-lost", part: null, here: false })),
  "stop@live-send": (page) => page.getByRole("button", { name: /^(Beenden|End)$/ }).click(),
  "status@live-send": async (page) => {
    await page.clock.install();
    await page.getByRole("button", { name: STATUS }).click();
    await page.getByRole("dialog", { name: STATUS }).getByRole("table").waitFor();
    await page.clock.runFor(125_000);
    await page.clock.resume();
  },
  "failure@enrol": async (page) => {
    await page.evaluate(() => window.device.failing.set("enrol", Object.assign(new Error("used"), { code: "CodeUsed" })));
    await page.getByRole("button", { name: /Dieses Gerät anmelden|Sign in on this device/ }).click();
  },
};

/** Every scene of main.tsx that is photographed; what is done in one comes right behind it. */
export const SCENES = ["loading", "enrol", "signin", "linking", "ended", "list", "direct", "failed", "group", "channel", "channel-operator", "unread", "left", "unreadable", "details", "person", "settings", "new-chat", "new-group", "offline", "incoming", "outgoing", "talking", "peer-lost", "call-ended", "notices", "files", "places", "transfers", "previews", "empty", "video", "video-off", "video-lost", "video-stalled", "video-ringing", "video-incoming", "video-small", "live-begins", "live-channel", "live-watch", "live-sound", "live-lost", "live-elsewhere", "live-send", "live-send-sound", "live-interrupted", "calls", "calls-phone", "calls-empty"].flatMap((scene) => [scene, ...Object.keys(ACTS).filter((act) => act.endsWith(`@${scene}`))]);
