// Runs a script's checks one after the other in one browser on the built screens, and says how each went; the process fails when one did.
import { chromium } from "playwright-core";
import { BROWSER, serve } from "./serve.mjs";

/** What the checks need: the pages' address, and the browser. */
export async function start() {
  const { address, close } = await serve(new URL("built", import.meta.url).pathname);
  return { address, close, browser: await chromium.launch(BROWSER) };
}

/** `checks`: functions by what they hold. Ends what `start` began. */
export async function run(checks, { browser, close }) {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok    ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}: ${error.message}`);
    }
  }
  await browser.close();
  close();
  process.exitCode = failed > 0 ? 1 : 0;
}
