// Photographs every scene in both sizes, themes and languages, looks for accessibility violations with axe, and for anything that the content security
// policy or the console complains of. Fails when there is any. Pictures go to `pictures/`. Arguments: names of scenes, for only those.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { BROWSER, serve } from "./serve.mjs";

const here = new URL(".", import.meta.url).pathname;
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

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

/** What is done in a scene before the picture, by what a person would do. */
const ACTS = {
  "emoji@direct": (page) => page.getByRole("button", { name: /Emoji (einfügen|)|Insert emoji/ }).first().click(),
  "search@list": async (page) => page.getByRole("textbox").first().fill("sta"),
  "menu@direct": async (page) => {
    await page.locator("[data-own] [data-actions]").last().focus();
    await page.keyboard.press("Enter");
  },
  "delivery@unread": async (page) => {
    await page.locator("[data-own] [data-actions]").last().focus();
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem").nth(1).click();
  },
  "add@details": (page) => page.getByRole("button", { name: /Personen hinzufügen|Add people/ }).click(),
  "leave@details": (page) => page.getByRole("button", { name: /Gruppe verlassen|Leave group/ }).click(),
  "qr@person": (page) => page.getByRole("button", { name: /Sicherheitsnummer als QR|Safety number as/ }).click(),
  "link@settings": (page) => page.getByRole("button", { name: /Weiteres Gerät verbinden|Link another device/ }).click(),
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
  "failure@enrol": async (page) => {
    await page.evaluate(() => window.device.failing.set("enrol", Object.assign(new Error("used"), { code: "CodeUsed" })));
    await page.getByRole("button", { name: /Dieses Gerät anmelden|Sign in on this device/ }).click();
  },
};
const SCENES = ["loading", "enrol", "signin", "linking", "ended", "list", "direct", "failed", "group", "unread", "left", "unreadable", "details", "person", "settings", "new-chat", "new-group", "offline", "incoming", "outgoing", "talking", "peer-lost", "call-ended", "notices", "files", "places", "transfers", "previews", "empty", "video", "video-off", "video-lost", "video-ringing", "video-incoming", "video-small", "calls", "calls-phone", "calls-empty"];

const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? SCENES.filter((name) => wanted.includes(name)) : SCENES;
mkdirSync(`${here}pictures`, { recursive: true });
const { address, close } = await serve(`${here}built`);
const browser = await chromium.launch(BROWSER);
const faults = [];
let pictures = 0;

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const theme of ["light", "dark"]) {
    for (const language of ["de", "en"]) {
      const context = await browser.newContext({ viewport, colorScheme: theme, locale: language === "de" ? "de-DE" : "en-GB", timezoneId: "Europe/Berlin", hasTouch: size === "phone", isMobile: size === "phone", reducedMotion: "reduce", deviceScaleFactor: size === "phone" ? 2 : 1 });
      for (const name of names) {
        const label = `${name.replace("@", "-")}.${size}.${theme}.${language}`;
        const [act, scene] = name.includes("@") ? name.split("@") : [null, name];
        const page = await context.newPage();
        page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(`${label}: ${message.text()}`));
        page.on("pageerror", (error) => faults.push(`${label}: ${error.message}`));
        await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`)));
        await page.goto(`${address}/?scene=${scene}&theme=${theme}&language=${language}`);
        await page.waitForSelector("#root > *");
        if (act) await ACTS[name](page);
        // Until nothing moves: transitions, fonts, measured rows.
        await page.waitForTimeout(350);
        await page.screenshot({ path: `${here}pictures/${label}.png` });
        pictures += 1;
        const before = faults.length;
        await page.evaluate(axeSource);
        const { violations } = await page.evaluate(() => {
          // An open menu or tooltip hangs at the end of the body, where no landmark is; axe's advice on landmarks does not know of them.
          const floating = document.querySelector('[role="menu"], [role="tooltip"]') !== null;
          return window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], rules: { region: { enabled: !floating } } });
        });
        faults.splice(before);
        for (const { id, nodes } of violations) faults.push(`${label}: axe ${id}: ${nodes.map((node) => `${node.target.join(" ")} (${node.any[0]?.message ?? node.all[0]?.message ?? ""})`).slice(0, 3).join(" | ")}`);
        await page.close();
      }
      await context.close();
    }
  }
}
await browser.close();
close();
console.log(`${pictures} pictures, ${faults.length} faults`);
for (const fault of faults) console.log(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
