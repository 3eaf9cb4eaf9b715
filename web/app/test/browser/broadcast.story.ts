// Anna is live in a channel from her browser, and Boris watches in his: each a process of its own, with a tone for her microphone and Chromium's moving test picture for her camera.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person, keepConnections } from "./person";
import { tone } from "./tone";

const CHANNEL = "Hausmitteilungen";
const TITLE = "Neue Beatmungsgeräte";
const TOLERANCE_HZ = 5;

let hospital: Hospital;
let anna: Person;
let boris: Person;

beforeAll(async () => {
  hospital = await Hospital.open({ channel: true });
  const [a, b] = await Promise.all([hospital.browser("anna", { tone: tone(hospital.folder, 440) }), hospital.browser("boris")]);
  for (const context of [a, b]) await context.addInitScript(keepConnections);
  boris = new Person(await hospital.signIn(b, "boris"));
  anna = new Person(await hospital.signIn(a, "anna"));
  // Loading her page anew is asked back while she is live.
  anna.page.on("dialog", (dialog) => void dialog.accept());
  await anna.open(CHANNEL);
  await boris.row(CHANNEL).waitFor();
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

const stage = (person: Person, title = TITLE) => person.page.getByRole("dialog", { name: `Live broadcast: ${title}` });

async function goLive(title: string): Promise<void> {
  await anna.page.getByRole("button", { name: "Go live" }).click();
  const sheet = anna.page.getByRole("dialog", { name: /^Go live in/ });
  await sheet.getByLabel("Preview: this is how others see you").waitFor();
  await sheet.getByRole("textbox", { name: "What is it about?" }).fill(title);
  await hospital.photograph("broadcast-preview");
  await sheet.getByRole("button", { name: "Go live" }).click();
  await stage(anna, title).waitFor();
}

/** The controls of a picture that nobody moves over are gone until somebody does. */
async function controls(person: Person) {
  const { width = 0, height = 0 } = person.page.viewportSize() ?? {};
  await person.page.mouse.move(width / 2, height / 2);
  await person.page.mouse.move(width / 2 + 40, height / 2);
  return stage(person);
}

/** What Boris gets: the tone, and pictures that move. */
async function arrives(): Promise<void> {
  await expect.poll(async () => Math.abs((await boris.heard()).hz - 440), { timeout: 20_000 }).toBeLessThan(TOLERANCE_HZ);
  await boris.page.getByLabel(/^Picture of/).first().waitFor();
  await expect.poll(async () => (await boris.seen()).moving, { timeout: 15_000 }).toBeGreaterThan(0.001);
}

test("everybody is told at once, and one tap later hears and sees it", async () => {
  await goLive(TITLE);
  const told = boris.page.getByRole("region", { name: "Live broadcast" });
  await told.getByText(TITLE).waitFor();
  await told.getByText(/^Dr. Anna Meier is live/).waitFor();
  await hospital.photograph("broadcast-told");
  await told.getByRole("button", { name: `Watch: ${TITLE}` }).click();
  await stage(boris).waitFor();
  await arrives();
  await Promise.all([anna, boris].map((person) => stage(person).getByText("1 watching").waitFor()));
  await controls(boris);
  await Promise.all([anna, boris].map((person) => stage(person).getByRole("timer").waitFor()));
  await hospital.photograph("broadcast-watched");
});

test("the operator sees how it goes", async () => {
  await stage(anna).getByRole("button", { name: "How the broadcast goes" }).click();
  const status = anna.page.getByRole("dialog", { name: "How the broadcast goes" });
  await status.getByRole("table").waitFor();
  await expect.poll(() => status.getByRole("row").count()).toBeGreaterThan(1);
  await expect.poll(() => status.locator("canvas").count()).toBe(4);
  await expect.poll(async () => Number((await status.getByRole("row").last().getByRole("cell").nth(1).innerText()).replace(/\D/g, "")), { timeout: 15_000 }).toBeGreaterThan(20);
  await hospital.photograph("broadcast-status");
  await anna.page.keyboard.press("Escape");
  await stage(anna).waitFor();
});

test("it goes on small while the viewer reads, and in other tabs it is said where it plays", async () => {
  await (await controls(boris)).getByRole("button", { name: "Make the broadcast small" }).click();
  await boris.look(CHANNEL);
  await boris.page.getByRole("article").getByText(TITLE).waitFor();
  await arrives();
  const other = new Person(await boris.page.context().newPage());
  await other.page.goto(hospital.page);
  await other.look(CHANNEL);
  await other.page.getByText("It is in another window").waitFor();
  await other.page.close();
  await boris.page.getByRole("button", { name: "Make the broadcast large" }).first().click();
  await stage(boris).waitFor();
});

test("a silent microphone and a camera that is off are what they say", async () => {
  await stage(anna).getByRole("button", { name: "Turn microphone off" }).click();
  await expect.poll(async () => (await boris.heard()).db, { timeout: 10_000 }).toBeLessThan(-90);
  await stage(anna).getByRole("button", { name: "Turn microphone on" }).click();
  await stage(anna).getByRole("button", { name: "Turn camera off" }).click();
  await boris.page.getByText("Dr. Anna Meier sends no picture right now").waitFor();
  await stage(anna).getByRole("button", { name: "Show camera" }).click();
  await arrives();
});

test("an operator whose page is loaded anew goes on", async () => {
  await anna.page.reload();
  await anna.page.getByRole("region", { name: "Your broadcast was interrupted" }).getByRole("button", { name: "Continue" }).click();
  const sheet = anna.page.getByRole("dialog", { name: /^Continue your broadcast/ });
  await sheet.getByLabel("Preview: this is how others see you").waitFor();
  await sheet.getByRole("button", { name: "Continue" }).click();
  await stage(anna).waitFor();
  await arrives();
  await stage(anna).getByText("1 watching").waitFor();
});

test("when it is ended the viewer is told, and the channel says that it was", async () => {
  await stage(anna).getByRole("button", { name: "End" }).click();
  await anna.page.getByRole("button", { name: "End broadcast" }).click();
  const over = boris.page.getByRole("dialog", { name: "The broadcast is over" });
  await over.getByText("It was ended.").waitFor({ timeout: 5_000 });
  await hospital.photograph("broadcast-over");
  await over.getByRole("button", { name: "Close" }).click();
  await boris.page.getByRole("article").getByText("Was live").waitFor();
  await stage(anna).waitFor({ state: "detached" });
  // Nothing of it is left open.
  const open = (person: Person) => person.page.evaluate(() => (window as unknown as { connections: RTCPeerConnection[] }).connections.filter(({ connectionState }) => connectionState !== "closed").length);
  expect(await Promise.all([open(anna), open(boris)])).toEqual([0, 0]);
});
