// Two people call each other from their browsers, each a process with a tone of its own for a microphone.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person, keepConnections } from "./person";

const TOLERANCE_HZ = 5;
/** Loud enough to be a tone and not noise. */
const AUDIBLE_DB = -75;

let hospital: Hospital;
let anna: Person;
let boris: Person;

/** Four seconds of a sine: 48 kHz, mono, 16 bits. */
function tone(hz: number): string {
  const [rate, samples] = [48_000, 4 * 48_000];
  const wav = Buffer.alloc(44 + 2 * samples);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(36 + 2 * samples, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(2 * rate, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(2 * samples, 40);
  for (let i = 0; i < samples; i += 1) wav.writeInt16LE(Math.round(12_000 * Math.sin((2 * Math.PI * hz * i) / rate)), 44 + 2 * i);
  const path = join(hospital.folder, `${hz}.wav`);
  writeFileSync(path, wav);
  return path;
}

beforeAll(async () => {
  hospital = await Hospital.open();
  const [a, b] = await Promise.all([
    hospital.browser("anna", { tone: tone(440) }), hospital.browser("boris", { tone: tone(660) }),
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
  await anna.page.getByRole("button", { name: /^Call/ }).first().click();
  await boris.page.getByRole("button", { name: "Accept" }).click();
  await Promise.all([anna, boris].map(({ page }) => page.getByRole("timer").waitFor()));
  const [annaHears, borisHears] = await Promise.all([anna.heard(), boris.heard()]);
  expect(Math.abs(annaHears.hz - 660)).toBeLessThan(TOLERANCE_HZ);
  expect(Math.abs(borisHears.hz - 440)).toBeLessThan(TOLERANCE_HZ);
  expect(Math.min(annaHears.db, borisHears.db)).toBeGreaterThan(AUDIBLE_DB);
  await boris.page.getByRole("button", { name: "Hang up" }).click();
  await anna.page.getByRole("log").getByText(/call/i).last().waitFor();
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
  await anna.page.getByRole("button", { name: /^Call/ }).first().click();
  await boris.page.getByRole("button", { name: "Accept" }).click();
  await boris.page.getByRole("button", { name: "Hang up" }).waitFor();
  const [annaHears, borisHears] = await Promise.all([anna.heard(), boris.heard()]);
  expect(Math.max(annaHears.db, borisHears.db)).toBeLessThan(AUDIBLE_DB - 20);
  await anna.page.getByRole("button", { name: "Hang up" }).click();
});
