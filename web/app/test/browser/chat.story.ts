// Anna and Boris chat in their browsers; Carla uses the native client.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital, until } from "./hospital";
import { Person } from "./person";

let hospital: Hospital;
let anna: Person;
let boris: Person;

beforeAll(async () => {
  hospital = await Hospital.open();
  const [a, b] = await Promise.all([hospital.browser("anna"), hospital.browser("boris")]);
  anna = new Person(await hospital.signIn(a, "anna"));
  boris = new Person(await hospital.signIn(b, "boris"));
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

test("the sign-in link's secret is gone from the address", () => {
  expect(anna.page.url()).not.toContain("#");
});

test("a message arrives, and its sender sees that it was delivered and read", async () => {
  await anna.openDirect("Boris Weber");
  await anna.write("Bett 4 ist frei");
  await boris.row("Dr. Anna Meier").getByText("Bett 4 ist frei").waitFor();
  await until("the ticks of delivery", 5_000, async () => (await anna.ticks("Bett 4 ist frei")) === "Delivered");
  await boris.open("Dr. Anna Meier");
  await boris.message("Bett 4 ist frei").waitFor();
  await until("the ticks of reading", 5_000, async () => (await anna.ticks("Bett 4 ist frei")) === "Read");
});

test("who writes is shown while it goes on", async () => {
  await boris.composer().pressSequentially("Danke");
  await anna.page.locator("h1 + [data-typing]").getByText("is writing …").waitFor();
  await boris.composer().fill("");
  await until("it to be taken back", 5_000, async () => (await anna.page.locator("[data-typing]").count()) === 0);
});

test("a reloaded page has everything, and goes on", async () => {
  await boris.page.reload();
  await boris.open("Dr. Anna Meier");
  await boris.message("Bett 4 ist frei").waitFor();
  await boris.write("Danke, wir kommen");
  await anna.message("Danke, wir kommen").waitFor();
});

test("the native client reads what the browser writes, and back", async () => {
  await hospital.native("carla", "enrol", hospital.ready.enrolment["carla"] ?? "");
  const listening = hospital.native("carla", "chat", "listen", "--count", "1", "--for", "30");
  await anna.openDirect("Dr. Carla Rossi");
  await anna.write("Kalium bitte nachmessen");
  const heard = (await listening).find(({ event }) => event === "message");
  expect(heard?.["text"]).toBe("Kalium bitte nachmessen");
  await hospital.native("carla", "chat", "send", "--to", "anna", "Kalium ist 3,4");
  await anna.message("Kalium ist 3,4").waitFor();
});

test("signing out wipes the browser's state", async () => {
  await boris.page.getByRole("button", { name: /Settings|Boris Weber/ }).first().click();
  await boris.page.getByRole("button", { name: "Sign out" }).first().click();
  await boris.page.getByRole("button", { name: "Sign out" }).last().click();
  await boris.page.getByRole("button", { name: "Link to a device I have" }).waitFor();
  // The new page has opened a fresh state: there is no device in it and no message.
  const left = await boris.page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open("wardline");
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error("no state"));
    });
    const count = (store: string) =>
      new Promise<number>((resolve, reject) => {
        const request = database.transaction(store).objectStore(store).count();
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error ?? new Error(store));
      });
    const counts = await Promise.all(["meta", "cells", "statements", "conversations", "history", "outbox"].map(count));
    database.close();
    return counts;
  });
  expect(left).toEqual([0, 0, 0, 0, 0, 0]);
  expect(await boris.page.getByText("Bett 4 ist frei").count()).toBe(0);
});
