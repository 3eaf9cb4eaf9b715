// How soon the page can be used, and how much is loaded for it.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";

const USABLE_MS_MAX = 1_500;
const GZIPPED_BYTES_MAX = 1_200_000;
const LOADS = 5;

let hospital: Hospital;

beforeAll(async () => {
  hospital = await Hospital.open();
});
afterAll(() => hospital?.close());

test("a signed-in page is usable at once", async () => {
  const context = await hospital.browser("anna");
  const page = await hospital.signIn(context, "anna");
  const times: number[] = [];
  for (let load = 0; load < LOADS; load += 1) {
    // From nothing: neither the HTTP cache nor the service worker's.
    await page.evaluate(async () => {
      for (const registration of await navigator.serviceWorker.getRegistrations()) await registration.unregister();
      for (const name of await caches.keys()) await caches.delete(name);
    });
    const session = await context.newCDPSession(page);
    await session.send("Network.clearBrowserCache");
    await page.goto(hospital.page);
    await page.getByText("Connected").first().waitFor();
    times.push(await page.evaluate(() => performance.now()));
  }
  times.sort((one, other) => one - other);
  console.log(`usable after ${times.map((ms) => Math.round(ms)).join(", ")} ms`);
  expect(times[Math.floor(LOADS / 2)]).toBeLessThan(USABLE_MS_MAX);
});

test("all code is small enough for a phone", () => {
  const dist = new URL("../../dist/", import.meta.url).pathname;
  const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".gz"));
  const bytes = files.reduce((sum, name) => sum + statSync(join(dist, name)).size, 0);
  console.log(`${bytes} bytes gzipped in ${files.length} files`);
  expect(bytes).toBeGreaterThan(100_000);
  expect(bytes).toBeLessThan(GZIPPED_BYTES_MAX);
});
