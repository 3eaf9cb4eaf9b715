// Two people call each other from their browsers, each a process with a tone of its own for a microphone.
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person, keepConnections } from "./person";
import { frequency, tone } from "./tone";

const TOLERANCE_HZ = 5;
/** Loud enough to be a tone and not noise. */
const AUDIBLE_DB = -75;

let hospital: Hospital;
let anna: Person;
let boris: Person;

beforeAll(async () => {
  hospital = await Hospital.open();
  const [a, b] = await Promise.all([
    hospital.browser("anna", { tone: tone(hospital.folder, 440) }), hospital.browser("boris", { tone: tone(hospital.folder, 660) }),
  ]);
  for (const context of [a, b]) await context.addInitScript(keepConnections);
  anna = new Person(await hospital.signIn(a, "anna"));
  boris = new Person(await hospital.signIn(b, "boris"));
  await anna.openDirect("Boris Weber");
  await anna.write("Ich rufe an");
  await boris.open("Dr. Anna Meier");
  await boris.message("Ich rufe an").waitFor();
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

test("each hears the other's tone, and the call is written down", async () => {
  await anna.page.getByRole("button", { name: /^Call / }).first().click();
  await boris.page.getByRole("button", { name: "Accept" }).click();
  await Promise.all([anna, boris].map(({ page }) => page.getByRole("timer").waitFor()));
  const [annaHears, borisHears] = await Promise.all([anna.heard(), boris.heard()]);
  expect(Math.abs(annaHears.hz - 660)).toBeLessThan(TOLERANCE_HZ);
  expect(Math.abs(borisHears.hz - 440)).toBeLessThan(TOLERANCE_HZ);
  expect(Math.min(annaHears.db, borisHears.db)).toBeGreaterThan(AUDIBLE_DB);
  await boris.page.getByRole("button", { name: "Hang up" }).click();
  await anna.page.getByRole("log").getByText(/call/i).last().waitFor();
});

test("a browser and the native client hear each other", async () => {
  const heard = join(hospital.folder, "heard.wav");
  await hospital.native("carla", "enrol", hospital.ready.enrolment["carla"] ?? "");
  const answering = hospital.native(
    "carla", "answer", "--audio-in", tone(hospital.folder, 550), "--audio-out", heard, "--count", "1",
  );
  await anna.openDirect("Dr. Carla Rossi");
  await expect.poll(() => anna.page.getByText("online").count(), { timeout: 10_000 }).toBeGreaterThan(0);
  await anna.page.getByRole("button", { name: /^Call / }).first().click();
  await anna.page.getByRole("timer").waitFor();
  const annaHears = await anna.heard();
  await anna.page.getByRole("button", { name: "Hang up" }).click();
  await answering;
  expect(Math.abs(annaHears.hz - 550)).toBeLessThan(TOLERANCE_HZ);
  expect(Math.abs(frequency(heard) - 440)).toBeLessThan(TOLERANCE_HZ);
  await anna.open("Boris Weber");
});

test("with a wrong media key nothing is heard", async () => {
  // The page's own path to the sealing worker, with one byte of the call's secret changed.
  await boris.page.evaluate(() => {
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (this: Worker, message: { kind?: string; epoch?: Uint8Array }, ...rest: unknown[]) {
      if (message.kind === "keys" && message.epoch) message.epoch[12] = (message.epoch[12] ?? 0) ^ 1;
      return (post as (...args: unknown[]) => void).call(this, message, ...rest);
    } as typeof post;
  });
  await anna.page.getByRole("button", { name: /^Call / }).first().click();
  await boris.page.getByRole("button", { name: "Accept" }).click();
  await boris.page.getByRole("button", { name: "Hang up" }).waitFor();
  const [annaHears, borisHears] = await Promise.all([anna.heard(), boris.heard()]);
  expect(Math.max(annaHears.db, borisHears.db)).toBeLessThan(AUDIBLE_DB - 20);
  await anna.page.getByRole("button", { name: "Hang up" }).click();
});

test("a line that breaks is said to be broken, and heals", async () => {
  await boris.page.reload(); // with the right key again
  await boris.open("Dr. Anna Meier");
  await anna.page.getByRole("button", { name: /^Call / }).first().click();
  await boris.page.getByRole("button", { name: "Accept" }).click();
  await Promise.all([anna, boris].map(({ page }) => page.getByRole("timer").waitFor()));
  // In a word, once there is something to say.
  await anna.page.getByRole("button", { name: /^Connection (good|weak|poor)/ }).waitFor();
  const path = () => anna.page.evaluate(() => {
    const connection = (window as unknown as { connections: RTCPeerConnection[] }).connections.at(-1);
    return /a=ice-ufrag:(\S+)/.exec(connection?.currentLocalDescription?.sdp ?? "")?.[1];
  });
  const before = await path();
  const healed = hospital.still(11_000);
  await anna.page.getByText("Reconnecting").first().waitFor({ timeout: 11_000 });
  await healed;
  await expect.poll(path, { timeout: 10_000 }).not.toBe(before);
  await Promise.all([anna, boris].map(({ page }) => page.getByRole("timer").waitFor()));
  await expect.poll(async () => Math.abs((await anna.heard()).hz - 660), { timeout: 15_000 }).toBeLessThan(TOLERANCE_HZ);
  await anna.page.getByRole("button", { name: "Hang up" }).click();
});

test("a tab that is closed or loaded anew in mid-call hangs up", async () => {
  const talk = async (page: typeof anna.page) => {
    await page.getByRole("button", { name: /^Call / }).first().click();
    await boris.page.getByRole("button", { name: "Accept" }).click();
    await Promise.all([page, boris.page].map((one) => one.getByRole("timer").waitFor()));
  };
  // Well below the 30 s for which the node holds a call whose line is gone.
  const hungUp = () => boris.page.getByText("Hung up").first().waitFor({ timeout: 8_000 });
  const over = () => boris.page.getByRole("button", { name: "Close", exact: true }).first().click();
  await anna.open("Boris Weber");
  await talk(anna.page);
  await anna.page.reload();
  await hungUp();
  await over();
  await anna.open("Boris Weber");
  await talk(anna.page);
  const context = anna.page.context();
  const next = await context.newPage(); // the browser itself stays
  await next.goto("about:blank");
  await anna.page.close();
  await hungUp();
});
