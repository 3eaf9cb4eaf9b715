// Draws the PNG icons from the SVG ones, for systems that take no SVG. Run by hand when the mark changes; the outcome is committed.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const ICONS = [
  { from: "icon-maskable.svg", to: "icon-180.png", side: 180 },
  { from: "icon.svg", to: "icon-192.png", side: 192 },
  { from: "icon.svg", to: "icon-512.png", side: 512 },
];

const folder = new URL("../public/", import.meta.url);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
for (const { from, to, side } of ICONS) {
  const page = await browser.newPage({ viewport: { width: side, height: side } });
  await page.setContent(`<style>body{margin:0}svg{display:block;width:${side}px}</style>${readFileSync(new URL(from, folder), "utf8")}`);
  await page.screenshot({ path: new URL(to, folder).pathname, omitBackground: true });
}
await browser.close();
