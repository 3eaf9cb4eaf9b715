// The list of calls: what two browsers did is in it, and what a browser stored before there was such a list is found as well.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person } from "./person";

let hospital: Hospital;
let anna: Person;
let boris: Person;

beforeAll(async () => {
  hospital = await Hospital.open();
  const [a, b] = await Promise.all([hospital.browser("anna"), hospital.browser("boris")]);
  anna = new Person(await hospital.signIn(a, "anna"));
  boris = new Person(await hospital.signIn(b, "boris"));
  await anna.openDirect("Boris Weber");
  await anna.write("Ich rufe an");
  await boris.message("Ich rufe an").or(boris.row("Dr. Anna Meier")).first().waitFor();
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

const rows = (person: Person) => person.page.getByRole("navigation", { name: "Calls", exact: true }).getByRole("listitem").allInnerTexts();

test("a missed call is counted until somebody looks, and called back from the list", async () => {
  await anna.page.getByRole("button", { name: "Video call with Boris Weber" }).click();
  await boris.page.getByRole("dialog").waitFor();
  await anna.page.getByRole("button", { name: "Hang up" }).click();
  await boris.page.getByText("1 missed call").waitFor({ state: "attached" });
  await boris.page.getByRole("button", { name: /^Calls/ }).click();
  await expect.poll(() => rows(boris)).toEqual([expect.stringContaining("Missed video call")]);
  await expect.poll(() => boris.page.getByText("1 missed call").count()).toBe(0);
  await boris.page.getByRole("button", { name: "Video call Dr. Anna Meier back" }).click();
  await anna.page.getByRole("button", { name: "Accept" }).click();
  await boris.page.getByRole("timer").waitFor();
  await anna.page.getByRole("button", { name: "Hang up" }).click();
  await expect.poll(() => rows(boris)).toEqual([expect.stringContaining("Outgoing video call"), expect.stringContaining("Missed video call")]);
  await hospital.photograph("calls");
});

test("calls that a browser stored before the list existed are in it", async () => {
  await boris.page.goto(`${hospital.page}/connect.json`); // the same origin without the client
  await boris.page.evaluate(async () => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
      });
    const now = await done(indexedDB.open("wardline"));
    const names = [...now.objectStoreNames];
    const all = await Promise.all(names.map(async (name) => {
      const store = now.transaction(name).objectStore(name);
      return { name, keyPath: store.keyPath, keys: await done(store.getAllKeys()), values: (await done(store.getAll())) as unknown[] };
    }));
    now.close();
    await done(indexedDB.deleteDatabase("wardline"));
    // As version 1 made it: no index of calls, no day in any row.
    const opening = indexedDB.open("wardline", 1);
    opening.onupgradeneeded = () => {
      for (const { name, keyPath } of all.filter(({ name: known }) => !known.startsWith("attachment"))) {
        const store = opening.result.createObjectStore(name, keyPath ? { keyPath } : undefined);
        if (name !== "history") continue;
        store.createIndex("order", ["conversation", "order"]);
        store.createIndex("unread", ["conversation", "counts", "order"]);
      }
    };
    const old = await done(opening);
    for (const { name, keyPath, keys, values } of all.filter(({ name: known }) => old.objectStoreNames.contains(known))) {
      const store = old.transaction(name, "readwrite").objectStore(name);
      await Promise.all(values.map((value, at) => {
        if (name === "history") delete (value as { callDay?: number }).callDay;
        if (name === "meta" && String(keys[at]).startsWith("calls-")) return undefined;
        return done(keyPath ? store.put(value) : store.put(value, keys[at] as IDBValidKey));
      }));
    }
    old.close();
  });
  await boris.page.goto(hospital.page);
  await boris.page.getByRole("button", { name: /^Calls/ }).click();
  await expect.poll(() => rows(boris)).toEqual([expect.stringContaining("Outgoing video call"), expect.stringContaining("Missed video call")]);
  await boris.open("Dr. Anna Meier");
  await boris.message("Ich rufe an").waitFor();
});
