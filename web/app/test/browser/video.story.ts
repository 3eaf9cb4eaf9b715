// Two people see each other from their browsers, each a process with Chromium's moving test picture for a camera.
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person, type Seen, keepConnections } from "./person";
import { frequency, tone } from "./tone";

let hospital: Hospital;
let anna: Person;
let boris: Person;

beforeAll(async () => {
  hospital = await Hospital.open();
  const [a, b] = await Promise.all([
    hospital.browser("anna", { tone: tone(hospital.folder, 440) }),
    hospital.browser("boris", { tone: tone(hospital.folder, 660), phone: true, theme: "dark" }),
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

function expectMoving({ width, height, brightness, moving }: Seen): void {
  expect(width).toBeGreaterThan(0);
  expect(height).toBeGreaterThan(0);
  expect(brightness).toBeGreaterThan(10);
  expect(moving).toBeGreaterThan(0.001);
}

/** What has left of the own picture. */
function sent(person: Person): Promise<{ frames: number; keyFrames: number }> {
  return person.page.evaluate(async () => {
    const connection = (window as unknown as { connections: RTCPeerConnection[] }).connections.at(-1);
    const all = [...((await connection?.getStats()) ?? new Map<string, unknown>()).values()] as Record<string, unknown>[];
    const own = all.filter(({ type, kind }) => type === "outbound-rtp" && kind === "video");
    const sum = (name: string) => own.reduce((before, part) => before + Number(part[name] ?? 0), 0);
    return { frames: sum("framesSent"), keyFrames: sum("keyFramesEncoded") };
  });
}

const pictureOf = (person: Person) => person.page.getByLabel(/^Picture of/).first();

async function talk(): Promise<void> {
  await anna.page.getByRole("button", { name: "Video call with Boris Weber" }).click();
  await boris.page.getByRole("dialog", { name: /^Incoming video call/ }).waitFor();
}

test("nothing is seen before the call is accepted; then each sees the other move", async () => {
  await talk();
  await anna.page.getByLabel("Your own picture").waitFor();
  await anna.page.getByText("Ringing").waitFor();
  await hospital.photograph("video-ringing");
  expect((await sent(anna)).frames).toBe(0);
  await boris.page.getByRole("button", { name: "Accept" }).click();
  await Promise.all([anna, boris].map((person) => pictureOf(person).waitFor()));
  await expect.poll(async () => (await anna.seen()).width, { timeout: 10_000 }).toBeGreaterThan(0);
  await expect.poll(async () => (await boris.seen()).width, { timeout: 10_000 }).toBeGreaterThan(0);
  const [annaSees, borisSees] = await Promise.all([anna.seen(), boris.seen()]);
  expectMoving(annaSees);
  expectMoving(borisSees);
  expectMoving(await anna.arrives());
  const [annaHears, borisHears] = await Promise.all([anna.heard(), boris.heard()]);
  expect(Math.abs(annaHears.hz - 660)).toBeLessThan(5);
  expect(Math.abs(borisHears.hz - 440)).toBeLessThan(5);
  await hospital.photograph("video-talking");
  const { frames, keyFrames } = await sent(anna);
  expect(frames).toBeGreaterThan(20);
  // More would mean that somebody on the way misreads what is sealed, and asks for them again and again.
  expect(keyFrames).toBeLessThanOrEqual(4);
});

test("another microphone and the other side's camera are taken in mid-call", async () => {
  await anna.page.getByRole("button", { name: "Choose microphone, camera and loudspeaker" }).click();
  await hospital.photograph("video-devices");
  await anna.page.getByRole("menuitemradio", { name: /Fake Audio Input 2/ }).click();
  expect(await anna.page.evaluate(() => localStorage.getItem("wardline-microphone"))).toMatch(/[0-9a-f]{64}/);
  await boris.page.getByRole("button", { name: "Switch between front and back camera" }).click();
  await boris.page.getByLabel("Your own picture").waitFor();
  await expect.poll(async () => (await anna.seen()).moving, { timeout: 10_000 }).toBeGreaterThan(0.001);
  expect(Math.abs((await boris.heard()).hz - 440)).toBeLessThan(5);
});

test("new keys in mid-call, for a further device of one of them, stop no picture", async () => {
  await hospital.native("boris", "enrol", hospital.ready.enrolment["boris"] ?? "");
  const listening = hospital.native("boris", "chat", "listen", "--for", "4");
  await anna.page.getByText("Boris Weber is using a new device").waitFor({ state: "attached" });
  await listening;
  // Longer than the keys before are kept.
  await new Promise((resolve) => setTimeout(resolve, 5_500));
  expectMoving(await anna.seen());
  expectMoving(await boris.seen());
  expect(Math.abs((await anna.heard()).hz - 660)).toBeLessThan(5);
});

test("a camera that goes off is said to be off, and comes back without anything negotiated", async () => {
  await boris.page.getByRole("button", { name: "Turn camera off" }).click();
  await anna.page.getByText("Boris Weber’s camera is off").waitFor();
  await hospital.photograph("video-camera-off");
  await anna.page.getByRole("button", { name: "Make the call small" }).click();
  await anna.page.getByRole("button", { name: "Make the call large" }).waitFor();
  await boris.page.getByRole("button", { name: "Turn camera on" }).click();
  await anna.page.getByLabel(/^Picture of/).first().waitFor();
  await hospital.photograph("video-small");
  await anna.page.getByRole("button", { name: "Make the call large" }).click();
  await pictureOf(anna).waitFor();
  await expect.poll(async () => (await anna.seen()).moving, { timeout: 10_000 }).toBeGreaterThan(0.001);
  await boris.page.getByRole("button", { name: "Hang up" }).click();
  await anna.page.getByRole("log").getByText("Outgoing video call").last().waitFor();
});

test("the native client answers a video call with its voice", async () => {
  const heard = join(hospital.folder, "heard.wav");
  await hospital.native("carla", "enrol", hospital.ready.enrolment["carla"] ?? "");
  const answering = hospital.native("carla", "answer", "--audio-in", tone(hospital.folder, 550), "--audio-out", heard, "--count", "1");
  await anna.openDirect("Dr. Carla Rossi");
  await expect.poll(() => anna.page.getByText("online").count(), { timeout: 10_000 }).toBeGreaterThan(0);
  await anna.page.getByRole("button", { name: "Video call with Dr. Carla Rossi" }).click();
  await anna.page.getByRole("timer").waitFor();
  await anna.page.getByText("Dr. Carla Rossi’s camera is off").waitFor();
  const annaHears = await anna.heard();
  await anna.page.getByRole("button", { name: "Hang up" }).click();
  const rang = (await answering).find(({ event }) => event === "incoming_call");
  expect(rang?.["video"]).toBe(true);
  expect(Math.abs(annaHears.hz - 550)).toBeLessThan(5);
  expect(Math.abs(frequency(heard) - 440)).toBeLessThan(5);
  await anna.open("Boris Weber");
});

test("with a wrong media key nothing is seen", async () => {
  await boris.page.evaluate(() => {
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (this: Worker, message: { kind?: string; epoch?: Uint8Array }, ...rest: unknown[]) {
      if (message.kind === "keys" && message.epoch) message.epoch[12] = (message.epoch[12] ?? 0) ^ 1;
      return (post as (...args: unknown[]) => void).call(this, message, ...rest);
    } as typeof post;
  });
  await talk();
  await boris.page.getByRole("button", { name: "Accept" }).click();
  await anna.page.getByRole("button", { name: "Hang up" }).waitFor();
  await boris.page.getByLabel("Your own picture").waitFor();
  const arrived = await Promise.all([anna.arrives(), boris.arrives()]);
  for (const { width, brightness } of arrived) {
    expect(width).toBe(0);
    expect(brightness).toBe(0);
  }
  expect(await pictureOf(anna).count()).toBe(0);
  await anna.page.getByRole("button", { name: "Hang up" }).click();
});
