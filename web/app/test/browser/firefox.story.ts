// Debian's Firefox ESR beside Chromium: sign-in, chat, a file and a photo, each way. (Calls: network/firefoxCall.story.ts.)
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Firefox } from "./firefox";
import { Hospital } from "./hospital";
import { Person } from "./person";

let hospital: Hospital;
let anna: Firefox;
let boris: Person;

beforeAll(async () => {
  hospital = await Hospital.open();
  anna = await Firefox.open();
  boris = new Person(await hospital.signIn(await hospital.browser("boris"), "boris"));
});
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  await hospital.photograph(task.name);
  await anna.photograph(task.name);
});
afterAll(async () => {
  await anna?.close();
  await hospital?.close();
});

test("Firefox signs in by the link and says how it is connected", async () => {
  await anna.signIn(hospital.ready.web_enrolment["anna"] ?? "");
  await anna.page.locator('button[aria-label^="Connection details"]').click();
  const said = await anna.page.waitForSelector("dl");
  const text = await said?.evaluate((list: Element) => list.textContent);
  expect(text).toMatch(/WebTransport|WebSocket/);
  console.info(`Firefox ESR is connected: ${text}`);
  await anna.page.keyboard.press("Escape");
  await anna.page.waitForSelector("dl", { hidden: true });
});

test("chat goes both ways, with the marks of delivery", async () => {
  await boris.openDirect("Dr. Anna Meier");
  await boris.write("aus Chromium");
  await anna.open("aus Chromium");
  await anna.shown("aus Chromium");
  await anna.page.locator("textarea").fill("aus Firefox");
  await anna.page.keyboard.press("Enter");
  await boris.message("aus Firefox").waitFor();
  await anna.page.waitForSelector("[role=log] [role=img]:is([aria-label=Delivered], [aria-label=Read])");
});

test("files go both ways", async () => {
  const content = randomBytes(900_000);
  const path = join(hospital.folder, "ct.bin");
  writeFileSync(path, content);
  await anna.press("button", "Attach");
  const [chooser] = await Promise.all([anna.page.waitForFileChooser(), anna.press("menuitem", "Document")]);
  await chooser.accept([path]);
  await anna.press("button", "Send 1 file");
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
  await anna.page.waitForFunction(() =>
    [...document.querySelectorAll<HTMLImageElement>("[role=log] img[src^='blob:']")].some((image) => image.naturalWidth === 640));
});

test("a reloaded page has everything", async () => {
  await anna.page.reload();
  await anna.open("Boris Weber");
  await anna.shown("aus Firefox");
  await anna.shown("ct.bin");
});
