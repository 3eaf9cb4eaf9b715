// Anna's browser is closed, and is woken. The push service is npm's web-push-testing. Chromium's own cannot be had without the internet, so the two
// halves meet in the test: what the node sent is opened by the service, and the same is delivered to Chromium's service worker by the DevTools.
import { createServer } from "node:net";
import { join } from "node:path";
import axe from "axe-core";
import type { BrowserContext, CDPSession, Page, Worker } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital, until } from "./hospital";
import { Person } from "./person";
import { tone } from "./tone";

const SERVICE = new URL("../../node_modules/web-push-testing/src/bin/server.js", import.meta.url).pathname;
const LABEL = "Notify me when Wardline is closed";

let hospital: Hospital;
let service: string;
let context: BrowserContext;
let anna: Person;

interface Subscription {
  endpoint: string;
  clientHash: string;
  keys: { p256dh: string; auth: string };
}

async function ask<T>(path: string, body: unknown = {}): Promise<T> {
  const answer = await fetch(`${service}${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json().then(({ data }: { data: T }) => data, () => undefined as T);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** Run in a page before its own scripts: a browser whose push service is the test's. */
function subscribesAs({ endpoint, keys }: Subscription): void {
  const bytes = (text: string) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0)).buffer;
  const subscription = (key: BufferSource) => ({
    endpoint,
    options: { applicationServerKey: key },
    getKey: (name: "p256dh" | "auth") => bytes(keys[name]),
    unsubscribe: async () => true,
  });
  PushManager.prototype.getSubscription = async () => null;
  PushManager.prototype.subscribe = async (options) => subscription(options?.applicationServerKey as BufferSource) as unknown as PushSubscription;
}

let subscription: Subscription;

beforeAll(async () => {
  hospital = await Hospital.open();
  await hospital.serveWith({ PUSH__ENABLED: "true", PUSH__CONTACT: "mailto:it@clinic.example", PUSH__INSECURE_LOOPBACK: "true" });
  const port = await freePort();
  hospital.helper(SERVICE, String(port));
  service = `http://localhost:${port}`;
  await until("the push service", 10_000, () => ask("/status").then(() => true, () => false));
  const { push_key: applicationServerKey } = (await (await fetch(`${hospital.ready.web}/connect.json`)).json()) as { push_key: string };
  subscription = await ask<Subscription>("/subscribe", { userVisibleOnly: "true", applicationServerKey });
  context = await hospital.browser("anna");
  await context.grantPermissions(["notifications", "microphone"], { origin: hospital.page });
  await context.addInitScript(subscribesAs, subscription);
  await hospital.native("boris", "enrol", hospital.ready.enrolment["boris"] ?? "");
  anna = new Person(await hospital.signIn(context, "anna"));
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

test("Anna switches it on, and her closed browser is woken for a message, once", async () => {
  await anna.openDirect("Boris Weber");
  await anna.write("Ich gehe");
  await until("the ticks", 15_000, async () => /Sent|Delivered/.test((await anna.ticks("Ich gehe")) ?? ""));
  await anna.page.getByRole("button", { name: /Settings|Anna Meier/ }).first().click();
  await anna.page.getByRole("switch", { name: LABEL }).click();
  await anna.page.getByRole("switch", { name: LABEL, checked: true }).waitFor();
  expect(await violations(anna.page)).toEqual([]);
  await hospital.photograph("push-on");

  await context.newPage();
  await anna.page.close();
  await hospital.native("boris", "chat", "send", "--to", "anna", "Bitte zurückrufen");
  await until("the push", 15_000, async () => (await received()).length > 0);
  await hospital.native("boris", "chat", "send", "--to", "anna", "Eilt");
  expect(await received()).toEqual(["message"]);
});

test("the service worker announces what came, without its content, and only while nobody looks", async () => {
  const page = context.pages()[0] as Page;
  const devtools = await context.newCDPSession(page);
  const registrationId = await registration(devtools);
  const deliver = (data: string) => devtools.send("ServiceWorker.deliverPushMessage", { origin: hospital.page, registrationId, data });

  await deliver("message         ");
  await until("the announcement", 10_000, async () => (await shown()).length > 0);
  expect(await shown()).toEqual(["New message"]);
  await deliver("call            ");
  await until("the ringing", 10_000, async () => (await shown()).join() === "Incoming call");

  // Somebody looks: what was announced is taken away, and nothing more is announced.
  await page.goto(hospital.page);
  await page.getByRole("button", { name: /Boris Weber/ }).first().waitFor();
  await until("the announcements to go", 10_000, async () => (await shown()).length === 0);
  await deliver("message         ");
  await new Person(page).open("Boris Weber");
  await new Person(page).message("Eilt").waitFor();
  expect(await shown()).toEqual([]);
});

test("a call wakes it too, and rings at the page that is opened then", async () => {
  const closed = context.pages()[0] as Page;
  await context.newPage();
  await closed.close();
  const before = (await received()).length;
  const calling = hospital.native(
    "boris", "call", "--to", "anna", "--audio-in", tone(hospital.folder, 550), "--audio-out", join(hospital.folder, "heard.wav"), "--seconds", "1",
  );
  await until("the push of the call", 15_000, async () => (await received()).slice(before).includes("call"));
  const page = context.pages()[0] as Page;
  await page.goto(hospital.page);
  await page.getByRole("button", { name: "Accept" }).click();
  await page.getByRole("timer").waitFor();
  const events = (await calling).map(({ event }) => event);
  expect(events.length).toBeGreaterThan(0);
});

/** What axe-core finds wrong with the page. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  });
}

/** What the push service has opened, without its padding. */
async function received(): Promise<string[]> {
  const { messages } = await ask<{ messages: string[] }>("/get-notifications", { clientHash: subscription.clientHash });
  return messages.map((text) => text.trimEnd());
}

/** Chromium's number for the page's service worker. */
async function registration(devtools: CDPSession): Promise<string> {
  const found = new Promise<string>((resolve) =>
    devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const own = registrations.find(({ scopeURL, isDeleted }) => scopeURL.startsWith(hospital.page) && !isDeleted);
      if (own) resolve(own.registrationId);
    }),
  );
  await devtools.send("ServiceWorker.enable");
  return found;
}

async function shown(): Promise<string[]> {
  const worker = context.serviceWorkers()[0] as Worker;
  return worker.evaluate(async () => {
    const { registration } = self as unknown as ServiceWorkerGlobalScope & { registration: ServiceWorkerRegistration };
    return (await registration.getNotifications()).map(({ title }) => title);
  });
}
