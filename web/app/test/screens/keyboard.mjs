// The page by keyboard alone, as somebody without a mouse uses it. Fails when something cannot be reached, or the focus is lost on the way.
import assert from "node:assert/strict";
import { run, start } from "./checks.mjs";

const begun = await start();
const { address, browser } = begun;

async function open(scene) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(5000);
  await page.goto(`${address}/?scene=${scene}&language=de`);
  await page.waitForSelector("nav");
  return page;
}
const focused = (page) => page.evaluate(() => ({ name: document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "", role: document.activeElement?.getAttribute("role"), tag: document.activeElement?.tagName, index: document.activeElement?.getAttribute("data-index") }));
const until = (page, holds) => page.waitForFunction(holds);

const CHECKS = {
  async "Tab leads first to the link that skips the list"() {
    const page = await open("list");
    await page.keyboard.press("Tab");
    assert.equal((await focused(page)).name, "Zum Inhalt springen");
    await page.keyboard.press("Enter");
    assert.equal((await focused(page)).tag, "MAIN");
    await page.close();
  },
  async "Ctrl+K searches, the arrow leads into what was found, Enter opens it"() {
    const page = await open("direct");
    await page.keyboard.press("Control+k");
    await until(page, () => document.activeElement?.getAttribute("aria-label") === "Personen und Gruppen suchen");
    await page.keyboard.type("rean");
    await until(page, () => document.querySelectorAll("nav [data-row]").length === 1);
    await page.keyboard.press("ArrowDown");
    assert.match((await focused(page)).name, /Reanimation/);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Reanimation" }).waitFor();
    await until(page, () => document.activeElement?.getAttribute("aria-label") === "Nachricht an Reanimation");
    await page.close();
  },
  async "arrows walk through the list"() {
    const page = await open("list");
    await page.keyboard.press("Control+k");
    await until(page, () => document.activeElement?.getAttribute("aria-label") === "Personen und Gruppen suchen");
    for (let step = 0; step < 3; step += 1) await page.keyboard.press("ArrowDown");
    assert.match((await focused(page)).name, /Reanimation/);
    await page.keyboard.press("ArrowUp");
    assert.match((await focused(page)).name, /Station 1/);
    await page.keyboard.press("End");
    assert.match((await focused(page)).name, /Umzug/);
    await page.close();
  },
  async "arrows walk through the messages, Enter opens a message's menu, Escape leads back to it"() {
    const page = await open("direct");
    await page.getByRole("log").focus();
    await page.keyboard.press("ArrowUp");
    await until(page, () => document.activeElement?.getAttribute("data-row-kind") === "message");
    await page.keyboard.press("ArrowUp");
    await until(page, () => document.activeElement?.textContent?.includes("Bitte Flüssigkeitsbilanz"));
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: "Text kopieren" }).waitFor();
    await until(page, () => document.activeElement?.getAttribute("role") === "menuitem");
    await page.keyboard.press("ArrowDown");
    await until(page, () => document.activeElement?.textContent === "Zustellung");
    await page.keyboard.press("Escape");
    await until(page, () => document.activeElement?.getAttribute("data-row-kind") === "message");
    assert.match((await focused(page)).name, /Bitte Flüssigkeitsbilanz/);
    assert.ok(await page.getByRole("heading", { name: "Dr. Carla Rossi" }).isVisible(), "Escape closed the conversation as well");
    await page.close();
  },
  async "Escape closes what was opened last, and nothing else"() {
    const page = await open("details");
    await page.getByRole("button", { name: "Gruppe verlassen" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    assert.ok(await page.getByRole("complementary").isVisible(), "the details went with the dialog");
    await page.keyboard.press("Escape");
    await page.getByRole("complementary").waitFor({ state: "hidden" });
    assert.ok(await page.getByRole("heading", { name: "Station 1" }).isVisible());
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "Wählen Sie eine Unterhaltung" }).waitFor();
    await page.close();
  },
  async "an emoji is found and inserted, and the focus is back in the text"() {
    const page = await open("direct");
    const field = page.getByRole("textbox", { name: /Nachricht an/ });
    await field.focus();
    await page.keyboard.type("Bis gleich ");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await until(page, () => document.activeElement?.getAttribute("aria-label") === "Emoji suchen");
    await page.keyboard.type("kaffee");
    await page.keyboard.press("Enter");
    await until(page, () => document.activeElement?.tagName === "TEXTAREA");
    assert.equal(await field.inputValue(), "Bis gleich ☕");
    await page.close();
  },
  async "a call is answered with one key, whatever one was doing"() {
    const page = await open("direct");
    await page.evaluate(() => window.device.update({ call: { id: "c", conversation: window.id("carla"), peer: window.people.carla.id, direction: "incoming", state: "ringing", end: null, talkingSinceMs: 0, talkedMs: 0, here: true } }));
    await until(page, () => document.activeElement?.textContent === "Annehmen");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Auflegen" }).waitFor();
    await page.close();
  },
};

await run(CHECKS, begun);
