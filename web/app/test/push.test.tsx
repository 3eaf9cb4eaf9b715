// The switch for being woken, and keeping browser and node together.
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "../src/App";
import { DeviceError } from "../src/device/contract";
import { endPush } from "../src/push/push";
import { MemoryDevice } from "./fixture";

const KEY = Uint8Array.from({ length: 65 }, (_, at) => (at === 0 ? 4 : at));
const KEY_TEXT = btoa(String.fromCharCode(...KEY)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const LABEL = "Benachrichtigen, wenn Wardline geschlossen ist";
const CLOSED = /Eine geschlossene App klingelt nicht/;

interface Subscription {
  endpoint: string;
  options: { applicationServerKey: ArrayBuffer };
  getKey(name: string): ArrayBuffer;
  unsubscribe(): Promise<boolean>;
}

/** A browser with a push service, which jsdom is not. */
class Browser {
  subscription: Subscription | null = null;
  made = 0;
  failing: Error | null = null;
  readonly told: unknown[] = [];

  constructor(options: { permission?: NotificationPermission; nodeKey?: string; able?: boolean } = {}) {
    const { permission = "granted", nodeKey = KEY_TEXT, able = true } = options;
    const registration = {
      active: { postMessage: (message: unknown) => this.told.push(message) },
      pushManager: {
        getSubscription: async () => this.subscription,
        subscribe: async ({ applicationServerKey }: { applicationServerKey: Uint8Array<ArrayBuffer> }) => {
          if (this.failing) throw this.failing;
          return (this.subscription = this.make(applicationServerKey));
        },
      },
    };
    vi.stubGlobal("Notification", { permission, requestPermission: async () => permission });
    if (able) vi.stubGlobal("PushManager", class {});
    const worker = { ready: Promise.resolve(registration), getRegistration: async () => registration, addEventListener: () => undefined, removeEventListener: () => undefined };
    Object.defineProperty(navigator, "serviceWorker", { value: worker, configurable: true });
    vi.stubGlobal("fetch", async () => new Response(JSON.stringify(nodeKey === "" ? {} : { push_key: nodeKey })));
  }

  make(key: Uint8Array<ArrayBuffer>): Subscription {
    this.made += 1;
    return {
      endpoint: `https://push.example/${this.made}`,
      options: { applicationServerKey: key.slice().buffer },
      getKey: (name) => new Uint8Array(name === "auth" ? 16 : 65).fill(7).buffer,
      unsubscribe: async () => {
        this.subscription = null;
        return true;
      },
    };
  }
}

const registered = (device: MemoryDevice) =>
  device.asked.filter(({ command }) => command === "registerPush").map((one) => (one.with[0] as { endpoint: string }).endpoint);
const commands = (device: MemoryDevice) => device.asked.map(({ command }) => command);

async function settings() {
  const device = new MemoryDevice();
  const user = userEvent.setup();
  render(<App device={device} enrolmentCode={null} />);
  await user.click(screen.getByRole("button", { name: "Einstellungen" }));
  return { device, user };
}

const theSwitch = () => screen.findByRole("switch", { name: LABEL });

beforeEach(() => {
  vi.spyOn(console, "info").mockImplementation(() => undefined);
});

afterEach(() => {
  vi.unstubAllGlobals();
  Reflect.deleteProperty(navigator, "serviceWorker");
});

describe("the switch", () => {
  it("is off at first, and says what the push service learns and that a closed app does not ring", async () => {
    new Browser();
    await settings();
    const shown = await theSwitch();
    expect((shown as HTMLInputElement).checked).toBe(false);
    const about = document.getElementById(shown.getAttribute("aria-describedby") ?? "");
    expect(about?.textContent).toMatch(/dass etwas für Sie gekommen ist, wann, und ob es klingelt.*nicht, was es ist und von wem/);
    expect(screen.getByText(CLOSED)).toBeTruthy();
  });

  it("subscribes under the node's key and registers, and takes both back", async () => {
    const browser = new Browser();
    const { device, user } = await settings();
    await user.click(await theSwitch());
    await waitFor(async () => expect(((await theSwitch()) as HTMLInputElement).checked).toBe(true));
    expect(registered(device)).toEqual(["https://push.example/1"]);
    expect([...new Uint8Array(browser.subscription?.options.applicationServerKey ?? new ArrayBuffer(0))]).toEqual([...KEY]);
    expect(screen.queryByText(CLOSED)).toBeNull();
    expect(screen.getByText(/kann spät kommen oder ausbleiben/)).toBeTruthy();

    await user.click(await theSwitch());
    await waitFor(() => expect(commands(device)).toContain("unregisterPush"));
    expect(browser.subscription).toBeNull();
    await waitFor(() => expect(screen.getByText(CLOSED)).toBeTruthy());
  });

  it("stays off and says why when the node refuses or the push service cannot be reached", async () => {
    const browser = new Browser();
    const { device, user } = await settings();
    device.failing.set("registerPush", new DeviceError("Forbidden", "this node sends no pushes to this browser's push service"));
    await user.click(await theSwitch());
    expect((await screen.findByRole("alert")).textContent).not.toBe("");
    expect(((await theSwitch()) as HTMLInputElement).checked).toBe(false);

    browser.subscription = null;
    // Not the microphone's permission, which has an error of the same name.
    browser.failing = new DOMException("Registration failed - push service error", "NotAllowedError");
    await user.click(await theSwitch());
    await waitFor(() => expect(screen.getByRole("alert").textContent).toMatch(/Push-Dienst .* nicht erreichbar/));
    expect(((await theSwitch()) as HTMLInputElement).checked).toBe(false);
  });

  it.each([
    ["the node has it switched off", { nodeKey: "" }, /Ihr Krankenhaus hat .* nicht eingeschaltet/],
    ["the browser cannot", { able: false }, /Dieser Browser kann nicht benachrichtigen, wenn Wardline geschlossen ist/],
    ["notifications are blocked", { permission: "denied" as const }, /Ohne diese Erlaubnis/],
  ])("is not there where %s, which is said", async (_, options, words) => {
    new Browser(options);
    await settings();
    expect(await screen.findByText(words)).toBeTruthy();
    expect(screen.queryByRole("switch", { name: LABEL })).toBeNull();
    expect(screen.getByText(CLOSED)).toBeTruthy();
  });
});

describe("at each sign-in", () => {
  it("nothing is registered that nobody wished for", async () => {
    new Browser();
    const { device } = await settings();
    await theSwitch();
    expect(registered(device)).toEqual([]);
  });

  it("the node is told again, by a new subscription where the old one is gone or of another key", async () => {
    localStorage.setItem("wardline-push", "on");
    const browser = new Browser();
    browser.subscription = browser.make(KEY.map((byte) => byte ^ 1));
    const { device } = await settings();
    await waitFor(() => expect(registered(device)).toEqual(["https://push.example/2"]));
    expect(browser.told).toContainEqual({ language: "de" });
  });
});

it("signing out ends the subscription and the wish", async () => {
  localStorage.setItem("wardline-push", "on");
  const browser = new Browser();
  browser.subscription = browser.make(KEY);
  await endPush();
  expect(browser.subscription).toBeNull();
  expect(localStorage.getItem("wardline-push")).toBeNull();
});
