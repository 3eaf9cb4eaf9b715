// One browser profile with two tabs has one device.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person } from "./person";

const EACH = 20;
let hospital: Hospital;

beforeAll(async () => {
  hospital = await Hospital.open();
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

test("two tabs that send at once lose nothing, and nothing is undecryptable", async () => {
  const context = await hospital.browser("anna");
  const one = new Person(await hospital.signIn(context, "anna"));
  await hospital.native("boris", "enrol", hospital.ready.enrolment["boris"] ?? "");
  const listening = hospital.native("boris", "chat", "listen", "--count", String(2 * EACH), "--for", "50");
  const other = new Person(await context.newPage());
  await other.page.goto(hospital.page);
  await one.openDirect("Boris Weber");
  await other.open("Boris Weber");
  await Promise.all([one, other].map(async (tab, i) => {
    for (let n = 0; n < EACH; n += 1) await tab.write(`tab ${i} message ${n}`);
  }));
  const heard = await listening;
  const texts = heard.filter(({ event }) => event === "message").map(({ text }) => String(text));
  expect(heard.filter(({ event }) => event === "unreadable")).toEqual([]);
  for (const i of [0, 1]) {
    // Nothing lost, nothing twice, and each tab's own order kept.
    expect(texts.filter((text) => text.startsWith(`tab ${i}`))).toEqual(Array.from({ length: EACH }, (_, n) => `tab ${i} message ${n}`));
  }
});

test("when the tab that has the engine is closed, the other goes on", async () => {
  const context = await hospital.browser("deniz");
  const first = new Person(await hospital.signIn(context, "deniz"));
  const second = new Person(await context.newPage());
  await second.page.goto(hospital.page);
  await second.openDirect("Boris Weber");
  await first.page.close();
  await second.write("noch da");
  await expect.poll(() => second.ticks("noch da"), { timeout: 15_000 }).toMatch(/Sent|Delivered/);
});
