// A channel for the whole house: Anna writes, everybody reads and takes note, and who comes later is taken in by whoever is there.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital, until } from "./hospital";
import { Person } from "./person";

const CHANNEL = "Hausmitteilungen";

let hospital: Hospital;
let anna: Person;
let boris: Person;

beforeAll(async () => {
  hospital = await Hospital.open({ channel: true });
  const [a, b] = await Promise.all([hospital.browser("anna"), hospital.browser("boris")]);
  boris = new Person(await hospital.signIn(b, "boris"));
  anna = new Person(await hospital.signIn(a, "anna"));
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

test("the channel opens by itself, and its operator is heard", async () => {
  await anna.open(CHANNEL);
  await boris.row(CHANNEL).waitFor();
  await anna.write("Die Kantine schließt heute um 14 Uhr.");
  await boris.look(CHANNEL);
  await boris.message("Die Kantine schließt heute um 14 Uhr.").waitFor();
  await boris.page.getByText("Only this channel’s operators write here.").waitFor();
  expect(await boris.page.getByRole("textbox", { name: /Message/ }).count()).toBe(0);
});

test("a reader takes note, and the operator sees who has", async () => {
  await boris.page.getByRole("button", { name: /^Acknowledge/ }).click();
  await boris.page.getByText("Acknowledged").waitFor();
  await boris.page.reload();
  await boris.look(CHANNEL);
  await boris.page.getByText("Acknowledged").waitFor();
  await anna.message("Die Kantine schließt heute um 14 Uhr.").click({ button: "right" });
  await anna.page.getByRole("menuitem", { name: "Delivery" }).click();
  const dialog = anna.page.getByRole("dialog");
  await dialog.getByRole("heading", { name: /Acknowledged/ }).waitFor();
  await dialog.getByText("Boris Weber").first().waitFor();
  await hospital.photograph("channel-acknowledged");
  await anna.page.keyboard.press("Escape");
});

test("who comes later is taken in by a reader, while the operator is away", async () => {
  await anna.page.goto("about:blank");
  const carla = new Person(await hospital.signIn(await hospital.browser("carla"), "carla"));
  await carla.row(CHANNEL).waitFor();
  await carla.look(CHANNEL);
  await anna.page.goto(hospital.page);
  await anna.open(CHANNEL);
  await anna.write("Das Labor ist wieder da.");
  await carla.message("Das Labor ist wieder da.").waitFor();
  await until("nothing to be unreadable", 5_000, async () => (await carla.page.getByText("cannot be read").count()) === 0);
});
