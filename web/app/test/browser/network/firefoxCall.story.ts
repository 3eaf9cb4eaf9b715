// Firefox and Chromium call each other. Firefox gathers no loopback candidate, so everything here is in a network namespace with an address of its own.
import { networkInterfaces } from "node:os";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Firefox } from "../firefox";
import { Hospital } from "../hospital";
import { Person, type Seen, keepConnections, watch } from "../person";
import { tone } from "../tone";

const TOLERANCE_HZ = 5;
/** Loud enough to be a tone and not noise. */
const AUDIBLE_DB = -75;

let hospital: Hospital;
let anna: Firefox;
let boris: Person;

/** The namespace's own address. */
function address(): string {
  const all = Object.values(networkInterfaces()).flat();
  const own = all.find((each) => each?.family === "IPv4" && !each.internal);
  if (!own) throw new Error("no address but loopback: run this by test/browser/network/namespace");
  return own.address;
}

beforeAll(async () => {
  hospital = await Hospital.open({ listen: address() });
  anna = await Firefox.open({ tone: 440 });
  await anna.page.evaluateOnNewDocument(keepConnections);
  const context = await hospital.browser("boris", { tone: tone(hospital.folder, 660) });
  await context.addInitScript(keepConnections);
  boris = new Person(await hospital.signIn(context, "boris"));
  await anna.signIn(hospital.ready.web_enrolment["anna"] ?? "");
  await boris.openDirect("Dr. Anna Meier");
  await boris.write("Ich rufe an");
  await anna.open("Ich rufe an");
  await anna.shown("Ich rufe an");
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

/** What Firefox shows of the other. */
async function seen(): Promise<Seen> {
  const video = await anna.page.waitForSelector("video[aria-label^='Picture of']");
  if (!video) throw new Error("no picture");
  return video.evaluate(watch);
}

test("each hears the other's tone", async () => {
  await boris.page.getByRole("button", { name: /^Call / }).first().click();
  await anna.press("button", "Accept");
  await boris.page.getByRole("timer").waitFor();
  await anna.page.waitForSelector("[role=timer]");
  const [annaHears, borisHears] = await Promise.all([anna.heard(), boris.heard()]);
  expect(Math.abs(annaHears.hz - 660)).toBeLessThan(TOLERANCE_HZ);
  expect(Math.abs(borisHears.hz - 440)).toBeLessThan(TOLERANCE_HZ);
  expect(Math.min(annaHears.db, borisHears.db)).toBeGreaterThan(AUDIBLE_DB);
  await anna.press("button", "Hang up");
});

test("each sees the other's picture", async () => {
  await anna.press("button", "Video call with Boris Weber");
  await boris.page.getByRole("button", { name: "Accept" }).click();
  await boris.page.getByRole("timer").waitFor();
  await expect.poll(async () => (await seen()).moving, { timeout: 15_000 }).toBeGreaterThan(0.001);
  await expect.poll(async () => (await boris.seen()).width, { timeout: 15_000 }).toBeGreaterThan(0);
  expect((await seen()).width).toBeGreaterThan(0);
  expect((await boris.seen()).brightness).toBeGreaterThan(10);
  await hospital.photograph("firefox-call");
  await anna.photograph("firefox-call");
  await anna.press("button", "Hang up");
});

test("with a wrong media key nothing is heard or seen", async () => {
  // The page's own path to the sealing worker, with one byte of the call's secret changed.
  await anna.page.evaluate(() => {
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (this: Worker, message: { kind?: string; epoch?: Uint8Array }, ...rest: unknown[]) {
      if (message.kind === "keys" && message.epoch) message.epoch[12] = (message.epoch[12] ?? 0) ^ 1;
      return (post as (...args: unknown[]) => void).call(this, message, ...rest);
    } as typeof post;
  });
  await anna.press("button", "Video call with Boris Weber");
  await boris.page.getByRole("button", { name: "Accept" }).click();
  await boris.page.getByRole("button", { name: "Hang up" }).waitFor();
  const [annaHears, borisHears] = await Promise.all([anna.heard(), boris.heard()]);
  expect(Math.max(annaHears.db, borisHears.db)).toBeLessThan(AUDIBLE_DB - 20);
  expect((await boris.arrives()).width).toBe(0);
  await anna.press("button", "Hang up");
});
