// Debian's Firefox ESR beside Chromium: sign-in, chat, a file and a photo, each way. (Calls need an address that is not loopback: Firefox gathers no other.)
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import puppeteer, { type Browser, type ElementHandle, type Page } from "puppeteer-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person } from "./person";

const FIREFOX = process.env.WARDLINE_FIREFOX ?? "/usr/bin/firefox-esr";
const STEP_MS = 20_000;

let hospital: Hospital;
let firefox: Browser;
let anna: Page;
let boris: Person;

beforeAll(async () => {
  if (!existsSync(FIREFOX)) throw new Error(`${FIREFOX} is missing: run make setup`);
  hospital = await Hospital.open();
  firefox = await puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    headless: true,
    // Nothing of the browser may look for the outside: there is none.
    extraPrefsFirefox: { "intl.accept_languages": "en-GB", "app.normandy.enabled": false, "network.captive-portal-service.enabled": false },
  });
  anna = await firefox.newPage();
  await anna.setViewport({ width: 1280, height: 800 });
  anna.setDefaultTimeout(STEP_MS);
  boris = new Person(await hospital.signIn(await hospital.browser("boris"), "boris"));
});
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  await hospital.photograph(task.name);
  const folder = process.env.WARDLINE_TEST_PICTURES;
  if (folder) await anna.screenshot({ path: join(folder, `${task.name}-firefox.png`) });
});
afterAll(async () => {
  await firefox?.close();
  await hospital?.close();
});

const named = (role: string, name: string) => `::-p-aria([name="${name}"][role="${role}"])`;
const press = (role: string, name: string) => anna.locator(named(role, name)).click();

/** A text in the open conversation. */
const shown = (text: string) =>
  anna.waitForFunction((wanted) => document.querySelector("[role=log]")?.textContent?.includes(wanted) ?? false, {}, text);

test("Firefox signs in by the link and says how it is connected", async () => {
  await anna.goto(hospital.ready.web_enrolment["anna"] ?? "");
  await press("button", "Sign in on this device");
  await anna.waitForSelector("input[type=search], [role=searchbox], input");
  await anna.waitForFunction(() => !location.hash);
  await anna.locator('button[aria-label^="Connection details"]').click();
  const said = await anna.waitForSelector("dl");
  const text = await said?.evaluate((list: Element) => list.textContent);
  expect(text).toMatch(/WebTransport|WebSocket/);
  console.info(`Firefox ESR is connected: ${text}`);
  await anna.keyboard.press("Escape");
  await anna.waitForSelector("dl", { hidden: true });
});

test("chat goes both ways, with the marks of delivery", async () => {
  await boris.openDirect("Dr. Anna Meier");
  await boris.write("aus Chromium");
  await anna.waitForFunction(() => document.body.textContent?.includes("aus Chromium"));
  const row = (await anna.waitForFunction(() =>
    [...document.querySelectorAll("button")].find((button) => button.textContent?.includes("aus Chromium")))) as unknown as ElementHandle<HTMLElement>;
  await row.click();
  await shown("aus Chromium");
  await anna.locator("textarea").fill("aus Firefox");
  await anna.keyboard.press("Enter");
  await boris.message("aus Firefox").waitFor();
  await anna.waitForSelector("[role=log] [role=img]:is([aria-label=Delivered], [aria-label=Read])");
});

test("files go both ways", async () => {
  const content = randomBytes(900_000);
  const path = join(hospital.folder, "ct.bin");
  writeFileSync(path, content);
  await press("button", "Attach");
  const [chooser] = await Promise.all([anna.waitForFileChooser(), press("menuitem", "Document")]);
  await chooser.accept([path]);
  await press("button", "Send 1 file");
  await boris.page.getByRole("log").getByText("ct.bin").waitFor();
  const download = boris.page.waitForEvent("download");
  await boris.page.getByRole("button", { name: /Save ct.bin/ }).click();
  expect(readFileSync(await (await download).path()).equals(content)).toBe(true);

  const picture = await boris.page.evaluate(async () => {
    const canvas = new OffscreenCanvas(640, 480);
    const context = canvas.getContext("2d");
    context?.fillRect(0, 0, 640, 480);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg" })).arrayBuffer());
    return Array.from(bytes);
  });
  await boris.page.getByRole("button", { name: "Attach" }).click();
  const asked = boris.page.waitForEvent("filechooser");
  await boris.page.getByRole("menuitem", { name: "Photos and videos" }).click();
  await (await asked).setFiles({ name: "foto.jpg", mimeType: "image/jpeg", buffer: Buffer.from(picture) });
  await boris.page.getByRole("button", { name: /^Send \d+ file/ }).click();
  await anna.waitForFunction(() =>
    [...document.querySelectorAll<HTMLImageElement>("[role=log] img[src^='blob:']")].some((image) => image.naturalWidth === 640));
});

test("a reloaded page has everything", async () => {
  await anna.reload();
  await anna.waitForFunction(() => [...document.querySelectorAll("button")].some((button) => button.textContent?.includes("Boris Weber")));
  const row = (await anna.waitForFunction(() =>
    [...document.querySelectorAll("button")].find((button) => button.textContent?.includes("Boris Weber")))) as unknown as ElementHandle<HTMLElement>;
  await row.click();
  await shown("aus Firefox");
  await shown("ct.bin");
});
