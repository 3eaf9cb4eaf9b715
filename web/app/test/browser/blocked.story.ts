// A network in which no datagram reaches the node: the page falls back to WebSocket by itself and says so, and a call goes over TCP.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person, keepConnections } from "./person";
import { tone } from "./tone";

let hospital: Hospital;

beforeAll(async () => {
  hospital = await Hospital.open();
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

const TOLERANCE_HZ = 5;

test("a call goes over TCP", async () => {
  // Anna's browser is told to send no datagram at all.
  const [blocked, free] = await Promise.all([
    hospital.browser("carla", { tone: tone(hospital.folder, 440), without: "udp" }),
    hospital.browser("deniz", { tone: tone(hospital.folder, 660) }),
  ]);
  for (const context of [blocked, free]) await context.addInitScript(keepConnections);
  const carla = new Person(await hospital.signIn(blocked, "carla"));
  const deniz = new Person(await hospital.signIn(free, "deniz"));
  await carla.openDirect("Deniz");
  await carla.write("Ich rufe an");
  await deniz.open("Dr. Carla Rossi");
  await carla.page.getByRole("button", { name: /^Call / }).first().click();
  await deniz.page.getByRole("button", { name: "Accept" }).click();
  await Promise.all([carla, deniz].map(({ page }) => page.getByRole("timer").waitFor()));
  const [carlaHears, denizHears] = await Promise.all([carla.heard(), deniz.heard()]);
  expect(Math.abs(carlaHears.hz - 660)).toBeLessThan(TOLERANCE_HZ);
  expect(Math.abs(denizHears.hz - 440)).toBeLessThan(TOLERANCE_HZ);
  expect(await protocol(carla)).toBe("tcp");
  expect(await protocol(deniz)).toBe("udp");
  await carla.page.getByRole("button", { name: "Hang up" }).click();
});

/** What the call's packets travel by. */
function protocol(person: Person): Promise<string | undefined> {
  return person.page.evaluate(async () => {
    const connection = (window as unknown as { connections: RTCPeerConnection[] }).connections.at(-1);
    const reports = [...((await connection?.getStats()) ?? new Map()).values()] as Record<string, unknown>[];
    const transport = reports.find(({ type }) => type === "transport");
    const pair = reports.find(({ id }) => id === transport?.["selectedCandidatePairId"]);
    return reports.find(({ id }) => id === pair?.["localCandidateId"])?.["protocol"] as string | undefined;
  });
}

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

test("a page over WebSocket notices by itself that nothing comes any more, and goes on where it was", async () => {
  // The page of the test before: quiet for longer than the bound, and connected all the time.
  const anna = new Person(hospital.pageOf("anna"));
  await anna.page.keyboard.press("Escape");
  const banner = anna.page.getByText(/^Not connected/).first();
  expect(await banner.waitFor({ timeout: 22_000 }).then(() => "lost", () => "kept")).toBe("kept");
  // The node is there and says nothing, as behind a line that was cut: no end of the connection comes.
  const stopped = hospital.still(27_000);
  await banner.waitFor({ timeout: 22_000 });
  await anna.write("geschrieben, als nichts ging");
  await stopped;
  await expect.poll(() => anna.ticks("geschrieben, als nichts ging"), { timeout: 30_000 }).toMatch(/Sent|Delivered|Read/);
}, 120_000);
