import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "../src/App";
import { DeviceError } from "../src/device/contract";
import { call, id, MemoryDevice, notice, PEOPLE, type Options } from "./fixture";

const commands = (device: MemoryDevice, name: string) => device.asked.filter((one) => one.command === name).map((one) => one.with);

function open(options: Options = {}): { device: MemoryDevice; user: ReturnType<typeof userEvent.setup> } {
  const device = new MemoryDevice(options);
  render(<App device={device} enrolmentCode={null} />);
  return { device, user: userEvent.setup() };
}

async function openConversation(name: RegExp, options: Options = {}) {
  const opened = open(options);
  await opened.user.click(screen.getByRole("button", { name }));
  return opened;
}

beforeEach(() => {
  // jsdom lays nothing out; without a height the timeline would draw nothing.
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(700);
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(44);
});

describe("reading", () => {
  it("marks as read what is on screen while somebody looks", async () => {
    const { device } = await openConversation(/^Reanimation/);
    await waitFor(() => expect(commands(device, "markRead")).toEqual([[id("reanimation"), 8]]));
    act(() => void device.deliver(id("reanimation"), PEOPLE.emil, "Noch etwas"));
    await waitFor(() => expect(commands(device, "markRead")).toContainEqual([id("reanimation"), 9]));
  });

  it("does not while nobody looks", async () => {
    vi.spyOn(document, "hasFocus").mockReturnValue(false);
    const { device } = await openConversation(/^Reanimation/);
    expect(await screen.findByText("3 neue Nachrichten")).toBeTruthy();
    expect(commands(device, "markRead")).toEqual([]);
    vi.spyOn(document, "hasFocus").mockReturnValue(true);
    act(() => void window.dispatchEvent(new Event("focus")));
    await waitFor(() => expect(commands(device, "markRead")).toHaveLength(1));
  });

  it("reads a new message out, but neither own nor old ones", async () => {
    const { device } = await openConversation(/^Reanimation/);
    await screen.findByText("3 neue Nachrichten");
    act(() => void device.deliver(id("reanimation"), PEOPLE.emil, "Bitte kommen"));
    expect(await screen.findByText("Emil Brandt schreibt: Bitte kommen")).toBeTruthy();
    act(() => void device.deliver(id("reanimation"), PEOPLE.anna, "Komme"));
    expect(screen.queryByText(/schreibt: Komme/)).toBeNull();
  });
});

describe("a failed message", () => {
  it("says why and is sent again or discarded", async () => {
    const { device, user } = await openConversation(/Boris Weber/);
    const failed = await screen.findByRole("alert", { name: "" });
    expect(failed.textContent).toContain("Nicht gesendet: Der Server kann gerade nichts speichern.");
    await user.click(within(failed).getByRole("button", { name: "Verwerfen" }));
    expect(commands(device, "discard")).toEqual([[id("boris"), id("boris-4")]]);
    await waitFor(() => expect(screen.queryByText(/Noch etwas: Frau S./, { selector: "span[dir]" })).toBeNull());
  });
});

describe("a message that another tab drops", () => {
  it("goes here as well", async () => {
    const { device } = await openConversation(/Boris Weber/);
    await screen.findByText(/Noch etwas: Frau S./, { selector: "span[dir]" });
    act(() => device.drop(id("boris"), id("boris-4")));
    expect(screen.queryByText(/Noch etwas: Frau S./, { selector: "span[dir]" })).toBeNull();
  });
});

describe("the line of the new messages", () => {
  it("counts what comes while one looks", async () => {
    const { device } = await openConversation(/^Reanimation/);
    await screen.findByText("3 neue Nachrichten");
    act(() => void device.deliver(id("reanimation"), PEOPLE.emil, "Noch etwas"));
    expect(await screen.findByText("4 neue Nachrichten")).toBeTruthy();
  });
});

describe("the connection's details", () => {
  it("close with Escape wherever the focus is, and nothing else does", async () => {
    const { user } = await openConversation(/^Dr. Carla Rossi/);
    const dot = screen.getByRole("button", { name: /^Verbindungsdetails/ });
    await user.click(dot);
    expect(await screen.findByText("Übertragung")).toBeTruthy();
    act(() => (document.activeElement as HTMLElement).blur());
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByText("Übertragung")).toBeNull());
    expect(document.activeElement).toBe(dot);
    expect(screen.getByRole("heading", { name: "Dr. Carla Rossi" })).toBeTruthy();
  });
});

describe("calls", () => {
  it("call back with a picture from a missed video call", async () => {
    const { device, user } = await openConversation(/Boris Weber/);
    act(() => void device.deliver(id("boris"), PEOPLE.boris, { kind: "call", call: id("missed"), startedAtMs: Date.now(), talkedMs: 0, answered: false, video: true }));
    await user.click(await screen.findByRole("button", { name: "Zurückrufen" }));
    expect(commands(device, "startCall")).toEqual([[id("boris"), true]]);
  });

  it("call back from a missed call", async () => {
    const { device, user } = await openConversation(/^Dr. Carla Rossi/);
    await user.click(await screen.findByRole("button", { name: "Zurückrufen" }));
    expect(commands(device, "startCall")).toEqual([[id("carla"), false]]);
    expect(await screen.findByText("Es klingelt …")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Auflegen" }));
    expect(await screen.findByText("Aufgelegt")).toBeTruthy();
  });

  it("ring above everything, and Escape does not decline", async () => {
    const { device, user } = open({ call: call({ direction: "incoming" }) });
    const ringing = await screen.findByRole("dialog", { name: "Eingehender Anruf von Dr. Carla Rossi" });
    await user.keyboard("{Escape}");
    expect(commands(device, "declineCall")).toEqual([]);
    await user.click(within(ringing).getByRole("button", { name: "Annehmen" }));
    expect(commands(device, "acceptCall")).toHaveLength(1);
    await user.click(await screen.findByRole("button", { name: "Mikrofon ausschalten" }));
    expect(commands(device, "setMuted")).toEqual([[true]]);
    expect(screen.getByText(/Stumm/)).toBeTruthy();
  });

  it("that run in another window are shown without controls", () => {
    open({ call: call({ state: "talking", talkingSinceMs: Date.now(), here: false }) });
    expect(screen.getByText("Das Gespräch läuft in einem anderen Fenster")).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Auflegen" })).toBeNull();
  });
});

describe("the connection", () => {
  it("is a banner only after three seconds", () => {
    vi.useFakeTimers();
    try {
      const { device } = open();
      const offline = { state: "offline", transport: null, fallbackReason: null, level: false, sinceMs: Date.now() } as const;
      act(() => device.update({ connection: offline }));
      act(() => void vi.advanceTimersByTime(2900));
      expect(screen.queryByText(/Nachrichten werden gesendet/)).toBeNull();
      // Trying again is still the same outage.
      act(() => device.update({ connection: { ...offline, state: "connecting", sinceMs: Date.now() } }));
      act(() => void vi.advanceTimersByTime(200));
      expect(screen.getByText(/Nachrichten werden gesendet/)).toBeTruthy();
      act(() => device.update({ connection: { ...offline, state: "online", level: true } }));
      expect(screen.queryByText(/Nachrichten werden gesendet/)).toBeNull();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("notices", () => {
  it("warn before they inform, in plain words, and can be put away", async () => {
    const { device, user } = open({
      notices: [notice({ id: 1, kind: "account-renamed", account: PEOPLE.boris.id, atMs: 2 }), notice({ id: 2, kind: "node-refused", detail: "ForgedMember", atMs: 1 })],
    });
    const region = screen.getByRole("region", { name: "Hinweise" });
    expect(within(region).getByRole("alert").textContent).toContain("nicht bestätigtes Mitglied");
    await user.click(within(within(region).getByRole("alert")).getByRole("button", { name: "Hinweis schließen" }));
    expect(commands(device, "dismiss")).toEqual([[2]]);
    await waitFor(() => expect(within(region).queryByRole("alert")).toBeNull());
  });

  it("lead from a contact's new device to the safety number", async () => {
    const { device, user } = open({ notices: [notice({ kind: "member-device-added", account: PEOPLE.carla.id })] });
    await user.click(screen.getByRole("button", { name: "Sicherheitsnummer vergleichen" }));
    await waitFor(() => expect(commands(device, "safetyNumber")).toEqual([[PEOPLE.carla.id]]));
    expect(await screen.findByText("04711")).toBeTruthy();
  });
});

describe("groups and people", () => {
  it("open a direct conversation with one tap", async () => {
    const { device, user } = open();
    await user.click(screen.getByRole("button", { name: "Neue Unterhaltung" }));
    await user.click(await screen.findByRole("menuitem", { name: "Neue Unterhaltung" }));
    await user.click(await screen.findByRole("button", { name: /Frieda Lindqvist/ }));
    expect(commands(device, "openDirect")).toEqual([[PEOPLE.frieda.id]]);
    expect(await screen.findByRole("heading", { name: /Frieda Lindqvist/ })).toBeTruthy();
  });

  it("make a group of a name and people", async () => {
    const { device, user } = open();
    await user.click(screen.getByRole("button", { name: "Neue Unterhaltung" }));
    await user.click(await screen.findByRole("menuitem", { name: "Neue Gruppe" }));
    const create = await screen.findByRole<HTMLButtonElement>("button", { name: "Gruppe anlegen" });
    expect(create.disabled).toBe(true);
    await user.type(screen.getByLabelText("Name der Gruppe"), " Spätdienst ");
    const people = screen.getByRole("list", { name: "Personen" });
    await user.click(within(people).getByRole("button", { name: /Boris Weber/ }));
    await user.click(within(people).getByRole("button", { name: /Emil Brandt/ }));
    await user.click(within(people).getByRole("button", { name: /Boris Weber/ }));
    await user.click(create);
    expect(commands(device, "createGroup")).toEqual([["Spätdienst", [PEOPLE.emil.id]]]);
  });

  it("show the archive plainly, and ask before somebody leaves", async () => {
    const { device, user } = await openConversation(/^Station 1/);
    await user.click(screen.getByRole("button", { name: "Details anzeigen" }));
    expect(await screen.findByText("Archiv der Klinik")).toBeTruthy();
    expect(screen.getAllByText("2 Mitglieder").length).toBeGreaterThan(0);
    await user.click(screen.getByRole("button", { name: "Gruppe verlassen" }));
    expect(commands(device, "leave")).toEqual([]);
    device.failing.set("leave", new DeviceError("offline", "offline"));
    await user.click(await screen.findByRole("button", { name: "Verlassen" }));
    expect(await screen.findByText(/^Nicht verbunden\. Versuchen/)).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Verlassen" }));
    expect(await screen.findByText(/nicht mehr Mitglied/)).toBeTruthy();
  });
});

describe("settings", () => {
  it("sign out only after asking", async () => {
    const { device, user } = open();
    await user.click(screen.getByRole("button", { name: "Einstellungen" }));
    await user.click(await screen.findByRole("button", { name: "Abmelden" }));
    expect(commands(device, "signOut")).toEqual([]);
    await user.click(await screen.findByRole("button", { name: "Abmelden und löschen" }));
    expect(await screen.findByText("Anmeldelink oder Code")).toBeTruthy();
  });

  it("change the language at once", async () => {
    const { user } = open();
    await user.click(screen.getByRole("button", { name: "Einstellungen" }));
    await user.click(await screen.findByText("English"));
    expect(await screen.findByRole("heading", { name: "Settings" })).toBeTruthy();
    expect(document.documentElement.lang).toBe("en");
  });

  it("link the device whose code is pasted", async () => {
    const { device, user } = open();
    await user.click(screen.getByRole("button", { name: "Einstellungen" }));
    await user.click(await screen.findByRole("button", { name: "Weiteres Gerät verbinden" }));
    await user.type(await screen.findByLabelText("Code des neuen Geräts"), "wardline://link#x y");
    await user.click(screen.getByRole("button", { name: "Gerät verbinden" }));
    expect(commands(device, "approveLink")).toEqual([["wardline://link#xy"]]);
    expect(await screen.findByText("Das Gerät ist verbunden.")).toBeTruthy();
  });
});
