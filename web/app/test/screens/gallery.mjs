// Makes the gallery in docs/screens of what the photographer took: smaller, as WebP, with a page that shows them by screen. The browser does the pictures' work.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { SCENES } from "./acts.mjs";
import { BROWSER } from "./serve.mjs";

const here = new URL("pictures/", import.meta.url).pathname;
const gallery = new URL("../../../../docs/screens/", import.meta.url).pathname;

/** Of the photographs: a desktop's has 1280 points, a phone's 780. All of them together are to stay below 9 MB. */
const SCALE = { desktop: 0.55, phone: 0.45 };
const QUALITY = 0.35;
const BYTES_MAX = 9_000_000;
const VARIANTS = ["light.de", "light.en", "dark.de", "dark.en"];

/** Shown large in the project's README. */
const LARGE = { group: "group.desktop.light.en", person: "person.desktop.light.en", phone: "group.phone.dark.de" };

const labelOf = (scene) => scene.replace("@", "-");

async function webp(page, name, scale, quality) {
  const picture = readFileSync(`${here}${name}.png`).toString("base64");
  const made = await page.evaluate(async ([data, by, of]) => {
    const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const canvas = new OffscreenCanvas(Math.round(bitmap.width * by), Math.round(bitmap.height * by));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/webp", quality: of })).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  }, [picture, scale, quality]);
  return Buffer.from(made, "base64");
}

mkdirSync(gallery, { recursive: true });
for (const old of readdirSync(gallery)) rmSync(`${gallery}${old}`);
const browser = await chromium.launch(BROWSER);
const page = await browser.newPage();
let bytes = 0;
const put = (name, picture) => {
  bytes += picture.length;
  writeFileSync(`${gallery}${name}.webp`, picture);
};

const lines = [
  "# The screens",
  "",
  "Every screen of the browser client on a desktop (1280 x 800) and a phone (390 x 844), light and dark, in German and English. The pages are real, what is written in them is made up.",
  "Made by `npm run screens` and `npm run gallery` in `web/app`; the first also looks at each with axe-core for accessibility, and fails when there is any violation.",
  "A name with a dash at its front part is a screen in which something was done: `scan-signin` is the sign-in page with its scanner open.",
];
const missing = [];
for (const scene of SCENES) {
  lines.push("", `## ${labelOf(scene)}`);
  for (const [size, scale] of Object.entries(SCALE)) {
    const labels = VARIANTS.map((variant) => `${labelOf(scene)}.${size}.${variant}`);
    for (const label of labels) {
      if (existsSync(`${here}${label}.png`)) put(label, await webp(page, label, scale, QUALITY));
      else missing.push(label);
    }
    lines.push("", `| ${labels.map((label) => label.split(".").slice(1).join(" ")).join(" | ")} |`, "|---|---|---|---|", `| ${labels.map((label) => `![${label}](${label}.webp)`).join(" | ")} |`);
  }
}
for (const [name, label] of Object.entries(LARGE)) put(name, await webp(page, label, label.includes("phone") ? 0.75 : 1, 0.8));
writeFileSync(`${gallery}README.md`, `${lines.join("\n")}\n`);
await browser.close();
console.log(`${readdirSync(gallery).length - 1} pictures, ${bytes} bytes`);
for (const label of missing) console.log(`missing: ${label}`);
if (missing.length > 0 || bytes > BYTES_MAX) process.exitCode = 1;
