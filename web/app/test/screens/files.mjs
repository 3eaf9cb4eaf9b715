// Pictures, films and files with a real browser's decoders, clipboard, dragging and saving.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { run, start } from "./checks.mjs";

const begun = await start();
const { address, browser } = begun;
const faults = [];

async function open(scene, viewport = { width: 1280, height: 800 }) {
  const context = await browser.newContext({ viewport, locale: "de-DE", reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  page.on("request", (request) => new URL(request.url()).protocol === "blob:" || new URL(request.url()).origin === address || faults.push(`a request to ${request.url()}`));
  await page.goto(`${address}/?scene=${scene}&theme=light&language=de`);
  await page.getByRole("log").waitFor();
  return page;
}

/** Prepares a sample in the page, with `segment` where a camera writes what it knows. */
function prepared(page, sample, segment = []) {
  return page.evaluate(
    async ([name, inserted]) => {
      const file = await window.samples[name]();
      const bytes = new Uint8Array(await file.arrayBuffer());
      const parts = inserted.length > 0 ? [bytes.subarray(0, 2), new Uint8Array(inserted), bytes.subarray(2)] : [bytes];
      const { kind, parcel, original, tells } = await window.prepare(new File(parts, file.name, { type: file.type }));
      const bitmap = kind === "picture" ? await createImageBitmap(parcel.content) : null;
      const originalText = original ? new TextDecoder("latin1").decode(await original.content.arrayBuffer()) : "";
      const text = new TextDecoder("latin1").decode(await parcel.content.arrayBuffer());
      return { kind, tells, original: original?.about ?? null, originalText, about: parcel.about, text, size: bitmap && [bitmap.width, bitmap.height], thumbnail: parcel.about.thumbnail?.length ?? 0 };
    },
    [sample, segment],
  );
}

const chars = (text) => [...text].map((char) => char.charCodeAt(0));

/** An Exif segment that turns the picture (orientation 6) and says where it was taken. */
function cameraSegment() {
  const words = chars("GPS 53N\0");
  const tiff = [...chars("MM"), 0, 42, 0, 0, 0, 8, 0, 2, 0x01, 0x0e, 0, 2, 0, 0, 0, words.length, 0, 0, 0, 38, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, ...words];
  const body = [...chars("Exif\0\0"), ...tiff];
  return [0xff, 0xe1, (body.length + 2) >> 8, (body.length + 2) & 255, ...body];
}

const CHECKS = {
  async "turns a camera's picture the right way up, makes it smaller, and drops where it was taken"() {
    const page = await open("direct");
    const { about, text, size, original, originalText, thumbnail, tells } = await prepared(page, "corridor", cameraSegment());
    assert.ok(originalText.includes("GPS 53N"), "the sample says nothing");
    assert.deepEqual(size, [1920, 2560]);
    assert.deepEqual([about.width, about.height, about.mime, tells], [1920, 2560, "image/jpeg", false]);
    assert.ok(!text.includes("Exif") && !text.includes("GPS"), "the camera's data went along");
    assert.deepEqual([original.width, original.height], [3000, 4000]);
    assert.ok(thumbnail > 0 && thumbnail <= 16 * 1024, `a small picture of ${thumbnail} bytes`);
    await page.context().close();
  },
  async "keeps a chart sharp, and takes a frame of a film"() {
    const page = await open("direct");
    assert.equal((await prepared(page, "ecg")).about.mime, "image/png");
    const film = await prepared(page, "film");
    assert.deepEqual([film.kind, film.about.width, film.about.height], ["video", 640, 360]);
    assert.ok(film.thumbnail > 0 && film.thumbnail <= 16 * 1024);
    await page.context().close();
  },
  async "sends what is no picture as a document"() {
    const page = await open("direct");
    const broken = await page.evaluate(async () => {
      const { kind, parcel } = await window.prepare(new File(["<svg xmlns='http://www.w3.org/2000/svg'/>"], "a.jpg", { type: "image/jpeg" }));
      return [kind, parcel.about.mime];
    });
    assert.deepEqual(broken, ["document", "application/octet-stream"]);
    await page.context().close();
  },
  async "pastes a picture, and sends it with what was typed"() {
    const page = await open("direct");
    await page.getByRole("textbox", { name: /Nachricht an/ }).fill("EKG von eben");
    await page.evaluate(async () => {
      const file = await window.samples.ecg();
      await navigator.clipboard.write([new ClipboardItem({ "image/png": file })]);
    });
    await page.keyboard.press("Control+V");
    const dialog = page.getByRole("dialog");
    await dialog.getByText(/1400 × 420/).waitFor();
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    const [about] = await page.evaluate(() => window.device.asked.filter((one) => one.command === "sendFile").map((one) => one.with[2]));
    assert.deepEqual([about.mime, about.caption, about.width], ["image/png", "EKG von eben", 1400]);
    // It stands in the timeline, from this device, without being asked for.
    await page.getByRole("button", { name: "Foto ansehen: EKG von eben" }).waitFor();
    await page.context().close();
  },
  async "saves under the given name, without showing it"() {
    const page = await open("files");
    await page.evaluate(() => {
      const message = [...window.device.view().conversations].find((one) => one.id === window.id("station1"));
      window.device.files.set(message.last.id, new Blob(["Ton"]));
    });
    const row = page.locator("[data-index]").last();
    await row.locator("[data-actions]").focus();
    await page.keyboard.press("Enter");
    const saving = page.waitForEvent("download");
    await page.getByRole("menuitem", { name: "Auf dem Gerät sichern" }).click();
    const download = await saving;
    assert.equal(download.suggestedFilename(), "Sprachnotiz.m4a");
    assert.equal(await readFile(await download.path(), "utf8"), "Ton");
    assert.ok(page.url().startsWith(address));
    await page.context().close();
  },
  async "draws a picture in its full height before it is here"() {
    const page = await open("files");
    const row = page.locator('[data-row-kind="message"]', { has: page.locator('[data-sort="picture"]') }).first();
    await row.scrollIntoViewIfNeeded();
    const before = (await row.boundingBox()).height;
    await page.getByRole("button", { name: /^Foto ansehen/ }).first().waitFor();
    await page.waitForTimeout(200);
    assert.equal((await row.boundingBox()).height, before);
    await page.context().close();
  },
  async "plays a film in its place"() {
    const page = await open("files");
    await page.evaluate(async () => {
      const log = await window.device.history(window.id("station1"), null, 50);
      const film = log.messages.find((one) => one.body.kind === "file" && one.body.file.mime === "video/webm");
      window.device.files.set(film.id, await window.samples.film());
    });
    await page.getByRole("button", { name: "Video abspielen" }).click();
    await page.waitForFunction(() => document.querySelector("video")?.currentTime > 0.2);
    await page.context().close();
  },
  async "looks at pictures with the keyboard alone, and comes back to where it was"() {
    const page = await open("files");
    await page.getByRole("log").focus();
    for (let step = 0; step < 5; step += 1) {
      const from = await page.evaluate(() => document.activeElement.dataset.index ?? null);
      await page.keyboard.press("ArrowUp");
      await page.waitForFunction((before) => (document.activeElement.dataset.index ?? null) !== before, from);
    }
    await page.waitForFunction(() => document.activeElement?.querySelector?.('[data-sort="picture"] button[aria-label^="Foto ansehen"]'));
    const index = await page.evaluate(() => document.activeElement.dataset.index);
    await page.keyboard.press("Enter");
    // The menu is seen a moment before it has the focus.
    await page.waitForFunction(() => document.activeElement?.getAttribute("role") === "menuitem" && document.activeElement.textContent === "Foto ansehen");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Fotos dieser Unterhaltung" });
    await dialog.getByText(/2 von 2/).waitFor();
    await page.keyboard.press("ArrowLeft");
    await dialog.getByText(/1 von 2/).waitFor();
    await page.keyboard.press("+");
    assert.match(await dialog.locator("img").getAttribute("style"), /scale\(1\.5\)/);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await page.waitForFunction((row) => document.activeElement?.dataset.index === row, index);
    await page.context().close();
  },
};

// Nothing that the policy or the console complains of, whatever a check looks at.
const guarded = Object.entries(CHECKS).map(([name, check]) => [name, async () => {
  faults.length = 0;
  await check();
  assert.deepEqual(faults, []);
}]);
await run(Object.fromEntries(guarded), begun);
