// A network in which no datagram reaches the node: the page falls back to WebSocket by itself and says so.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person } from "./person";

let hospital: Hospital;

beforeAll(async () => {
  hospital = await Hospital.open();
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

test("chat works over WebSocket, and the connection details say why", async () => {
  const [blocked, free] = await Promise.all([hospital.browser("anna"), hospital.browser("boris")]);
  // A UDP port where nobody is: the page cannot know that from one that is blocked.
  await blocked.route("**/connect.json", async (route) => {
    const answer = await route.fetch();
    const places = (await answer.json()) as { webtransport: { port: number } };
    places.webtransport.port = 9;
    await route.fulfill({ response: answer, json: places });
  });
  const anna = new Person(await hospital.signIn(blocked, "anna"));
  const boris = new Person(await hospital.signIn(free, "boris"));
  await anna.openDirect("Boris Weber");
  await anna.write("hier ist UDP gesperrt");
  await boris.open("Dr. Anna Meier");
  await boris.message("hier ist UDP gesperrt").waitFor();
  await boris.write("hier nicht");
  await anna.message("hier nicht").waitFor();
  const transport = async (person: Person) => {
    await person.page.getByRole("button", { name: "Connection details" }).click();
    return person.page.locator("dl").innerText();
  };
  expect(await transport(anna)).toMatch(/WebSocket[\s\S]*UDP may be blocked/);
  expect(await transport(boris)).toContain("WebTransport");
});
