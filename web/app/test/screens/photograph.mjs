// Photographs every scene in both sizes, themes and languages, looks for accessibility violations with axe, and for anything that the content security
// policy or the console complains of. Fails when there is any. Pictures go to `pictures/`. Arguments: names of scenes, for only those.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { ACTS, SCENES } from "./acts.mjs";
import { Camera } from "./camera.mjs";
import { BROWSER, serve } from "./serve.mjs";

const here = new URL(".", import.meta.url).pathname;
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Browsers that work side by side. */
const AT_ONCE = 3;
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };


const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? SCENES.filter((name) => wanted.includes(name)) : SCENES;
mkdirSync(`${here}pictures`, { recursive: true });
const { address, close } = await serve(`${here}built`);
const faults = [];
let pictures = 0;

/** All scenes in one size, theme and language, in a browser of their own. */
async function photograph({ size, theme, language }) {
  const camera = new Camera();
  const browser = await chromium.launch({ ...BROWSER, args: [...BROWSER.args, ...camera.arguments] });
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: theme, locale: language === "de" ? "de-DE" : "en-GB", timezoneId: "Europe/Berlin", hasTouch: size === "phone", isMobile: size === "phone", reducedMotion: "reduce", deviceScaleFactor: size === "phone" ? 2 : 1 });
  for (const name of names) {
    const label = `${name.replace("@", "-")}.${size}.${theme}.${language}`;
    try {
      const found = await show(context, camera, { name, label, theme, language });
      faults.push(...found.map((fault) => `${label}: ${fault}`));
      pictures += 1;
    } catch (error) {
      faults.push(`${label}: no picture: ${error.message}`);
    }
  }
  await browser.close();
  camera.close();
}

/** One scene: takes its picture and gives what is wrong with it. */
async function show(context, camera, { name, label, theme, language }) {
  const [act, scene] = name.includes("@") ? name.split("@") : [null, name];
  const said = [];
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.message));
  try {
    await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`)));
    await page.goto(`${address}/?scene=${scene}&theme=${theme}&language=${language}`);
    await page.waitForSelector("#root > *");
    if (act) await ACTS[name](page, camera);
    // Until nothing moves: transitions, fonts, measured rows.
    await page.waitForTimeout(350);
    await page.screenshot({ path: `${here}pictures/${label}.png` });
    // What axe itself makes the page say is not the page's.
    const found = [...said];
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() => {
      // An open menu or tooltip hangs at the end of the body, where no landmark is; axe's advice on landmarks does not know of them.
      const floating = document.querySelector('[role="menu"], [role="tooltip"]') !== null;
      return window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], rules: { region: { enabled: !floating } } });
    });
    for (const { id, nodes } of violations) found.push(`axe ${id}: ${nodes.map((node) => `${node.target.join(" ")} (${node.any[0]?.message ?? node.all[0]?.message ?? ""})`).slice(0, 3).join(" | ")}`);
    return found;
  } finally {
    await page.close();
  }
}

const sets = Object.keys(SIZES).flatMap((size) => ["light", "dark"].flatMap((theme) => ["de", "en"].map((language) => ({ size, theme, language }))));
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let set = sets.shift(); set; set = sets.shift()) await photograph(set);
}));
close();
console.log(`${pictures} pictures, ${faults.length} faults`);
for (const fault of faults) console.log(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
