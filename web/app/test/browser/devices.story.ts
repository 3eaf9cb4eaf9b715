// A second browser becomes a further device of the same person, by the code that it shows.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person } from "./person";

let hospital: Hospital;

beforeAll(async () => {
  hospital = await Hospital.open();
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

test("a linked browser takes part from then on, and is revoked from the first", async () => {
  const [first, second, other] = await Promise.all(["first", "second", "boris"].map((name) => hospital.browser(name)));
  if (!first || !second || !other) throw new Error("three browsers");
  const anna = new Person(await hospital.signIn(first, "anna"));
  const boris = new Person(await hospital.signIn(other, "boris"));
  await anna.openDirect("Boris Weber");
  await anna.write("vom ersten Gerät");
  await boris.open("Dr. Anna Meier");

  const tablet = new Person(second.pages()[0] ?? (await second.newPage()));
  await tablet.page.goto(hospital.page);
  await tablet.page.getByRole("button", { name: "Link to a device I have" }).click();
  const shown = tablet.page.getByRole("textbox", { name: /code/i });
  const code = (await shown.innerText()).trim();
  await anna.page.getByRole("button", { name: /Settings/ }).first().click();
  await anna.page.getByRole("button", { name: "Link another device" }).click();
  await anna.page.getByRole("dialog").getByRole("textbox").fill(code);
  await anna.page.getByRole("dialog").getByRole("button", { name: /link/i }).last().click();

  await tablet.open("Boris Weber");
  await tablet.write("vom zweiten Gerät");
  await boris.message("vom zweiten Gerät").waitFor();
  await boris.write("ich sehe beide");
  await tablet.message("ich sehe beide").waitFor();

  // Revoked at the first device, the second ends and says why.
  await anna.page.getByRole("button", { name: /^(Revoke|Remove)/ }).first().click();
  await anna.page.getByRole("dialog").getByRole("button", { name: /revoke|remove/i }).last().click();
  await expect.poll(() => tablet.page.getByText(/revoked|removed/i).count(), { timeout: 10_000 }).toBeGreaterThan(0);
});
