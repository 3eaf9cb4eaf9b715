import { act, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "../src/App";
import { Confirmations } from "../src/conversation/confirmations";
import { DeviceError } from "../src/device/contract";
import { id, MemoryDevice, PEOPLE, type Options } from "./fixture";

const LINE = "In diesem Kanal schreiben nur seine Verantwortlichen.";

async function openChannel(channel: Options["channel"], change?: (device: MemoryDevice) => void) {
  const device = new MemoryDevice({ channel });
  change?.(device);
  const user = userEvent.setup();
  const { container } = render(<App device={device} enrolmentCode={null} />);
  await user.click(screen.getByRole("button", { name: /^Aktuelles Innere Medizin/ }));
  await screen.findByRole("heading", { name: "Aktuelles Innere Medizin", level: 1 });
  return { device, user, container };
}

const field = () => screen.queryByRole("textbox", { name: /^Nachricht an/ });
const asked = (device: MemoryDevice, command: string) => device.asked.filter((one) => one.command === command);

const button = (text: string) => screen.queryByRole("button", { name: new RegExp(`^Zur Kenntnis nehmen: .*„${text}`) });
const lineOf = async (text: RegExp) => within((await screen.findByText(text, { selector: "span[dir]" })).closest<HTMLElement>("[data-confirmable]")!);
const noted = "Zur Kenntnis genommen";
const OFFLINE = /^Nicht verbunden/;

async function openDelivery(user: ReturnType<typeof userEvent.setup>) {
  const own = await screen.findByText(/^Station 1 übernimmt heute/, { selector: "span[dir]" });
  await user.click(within(own.closest<HTMLElement>("[data-own]")!).getByRole("button", { name: "Aktionen für diese Nachricht" }));
  await user.click(await screen.findByRole("menuitem", { name: "Zustellung", hidden: true }));
  return within(await screen.findByRole("dialog", { name: "Zustellung" }));
}

/** More people than are told of each other's marks unasked. */
function crowd(device: MemoryDevice): void {
  const more = Array.from({ length: 70 }, (_, n) => id(`person${n}`));
  device.update({ conversations: device.view().conversations.map((one) => (one.id === id("channel") ? { ...one, accounts: [...one.accounts, ...more] } : one)) });
}

beforeEach(() => {
  // jsdom lays nothing out; without a height the timeline would draw nothing.
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(700);
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(44);
});

describe("a channel's reader", () => {
  it("has nothing to write or attach with, and is told why", async () => {
    await openChannel("reader");
    expect(screen.getByText(LINE)).toBeTruthy();
    expect(field()).toBeNull();
    expect(screen.queryByRole("button", { name: "Anhängen" })).toBeNull();
  });

  it("cannot drop a file either", async () => {
    await openChannel("reader");
    fireEvent.dragEnter(screen.getByRole("log"), { dataTransfer: { types: ["Files"] } });
    expect(screen.queryByText("Zum Senden hier ablegen")).toBeNull();
  });

  it("sees by name who announces, can call nobody, and does not see who writes", async () => {
    const { device } = await openChannel("reader");
    const log = within(await screen.findByRole("log"));
    expect((await log.findAllByText("Prof. Dr. Frieda Lindqvist-Hohenstein", { selector: "strong" })).length).toBeGreaterThan(0);
    expect(screen.queryByRole("button", { name: /anrufen|Videoanruf/ })).toBeNull();
    expect(log.getByText(/Niemand außerhalb dieses Kanals/)).toBeTruthy();
    act(() => device.update({ typing: { [id("channel")]: [PEOPLE.frieda.id] } }));
    expect(screen.queryByText(/schreibt …/)).toBeNull();
  });

  it("does not ask how far the others have read", async () => {
    const { device } = await openChannel("reader", crowd);
    expect(asked(device, "fetchReceipts")).toEqual([]);
  });

  it("becomes an operator while it is open", async () => {
    const { device } = await openChannel("reader");
    act(() => device.update({ conversations: device.view().conversations.map((one) => (one.id === id("channel") ? { ...one, maySpeak: true } : one)) }));
    expect(field()).toBeTruthy();
    expect(screen.queryByText(LINE)).toBeNull();
  });

  it("who was taken out is told that, and not who writes there", async () => {
    await openChannel("reader", (device) => device.update({ conversations: device.view().conversations.map((one) => (one.id === id("channel") ? { ...one, membership: "left" } : one)) }));
    expect(screen.getByText(/^Sie sind nicht mehr Mitglied/)).toBeTruthy();
    expect(screen.queryByText(LINE)).toBeNull();
  });
});

describe("a channel's operator", () => {
  it("writes as anywhere else", async () => {
    const { device, user } = await openChannel("operator");
    expect(screen.queryByText(LINE)).toBeNull();
    fireEvent.dragEnter(screen.getByRole("log"), { dataTransfer: { types: ["Files"] } });
    expect(screen.getByText("Zum Senden hier ablegen")).toBeTruthy();
    await user.type(await screen.findByRole("textbox", { name: /^Nachricht an/ }), "Erledigt{Enter}");
    expect(asked(device, "send").map((one) => one.with)).toEqual([[id("channel"), "Erledigt"]]);
  });

  it("sees that another one writes, and asks how far the readers are", async () => {
    const { device } = await openChannel("operator", crowd);
    act(() => device.update({ typing: { [id("channel")]: [PEOPLE.frieda.id] } }));
    expect(screen.getAllByText("Prof. Dr. Frieda Lindqvist-Hohenstein schreibt …").length).toBeGreaterThan(0);
    expect(asked(device, "fetchReceipts")).toHaveLength(1);
  });

  it("sees who has read an announcement", async () => {
    const { user } = await openChannel("operator");
    const dialog = await openDelivery(user);
    expect(dialog.getByText("Frieda", { exact: false }).closest("section")?.textContent).toMatch(/^Gelesen/);
    expect(dialog.getByText("Emil Brandt").closest("section")?.textContent).toMatch(/^Zugestellt/);
  });
});

describe("taking note of an announcement", () => {
  it("is said once, and shown at once", async () => {
    const { device, user } = await openChannel("reader");
    await waitFor(() => expect(button("Das Laborsystem läuft wieder")).toBeTruthy());
    await user.click(button("Das Laborsystem läuft wieder")!);
    const line = await lineOf(/^Das Laborsystem läuft wieder/);
    expect((await line.findByText(noted)).title).toMatch(/^\d\d\.\d\d\.\d\d, \d\d:\d\d$/);
    expect(line.queryByRole("button", { name: /^Zur Kenntnis nehmen/ })).toBeNull();
    expect(asked(device, "confirm").map((one) => one.with)).toEqual([[id("channel"), 5]]);
    // Whoever came by keyboard goes on from there.
    await waitFor(() => expect(document.activeElement?.getAttribute("data-row-kind")).toBe("message"));
    expect(document.activeElement?.textContent).toContain("Das Laborsystem läuft wieder");
  });

  it("is offered by the message's menu as well, and only while it is open", async () => {
    const { device, user } = await openChannel("reader");
    await waitFor(() => expect(button("Das Laborsystem läuft wieder")).toBeTruthy());
    const line = await lineOf(/^Das Laborsystem läuft wieder/);
    await user.click(line.getByRole("button", { name: "Aktionen für diese Nachricht" }));
    await user.click(await screen.findByRole("menuitem", { name: "Zur Kenntnis nehmen", hidden: true }));
    await line.findByText(noted);
    expect(asked(device, "confirm")).toHaveLength(1);
    await user.click(line.getByRole("button", { name: "Aktionen für diese Nachricht" }));
    await screen.findByRole("menuitem", { name: "Text kopieren", hidden: true });
    expect(screen.queryByRole("menuitem", { name: "Zur Kenntnis nehmen", hidden: true })).toBeNull();
  });

  it("that was said before is shown, and asked for once for each message", async () => {
    const { device, user } = await openChannel("reader");
    const line = await lineOf(/^Die Grippeimpfung/);
    await line.findByText(noted);
    expect(line.queryByRole("button", { name: /^Zur Kenntnis nehmen/ })).toBeNull();
    const places = () => asked(device, "confirmations").map((one) => one.with[1]).toSorted();
    await waitFor(() => expect(places()).toEqual([1, 2, 3, 4, 5]));
    await user.click(screen.getByRole("button", { name: /^Station 1/ }));
    await screen.findByRole("textbox", { name: /^Nachricht an/ });
    await user.click(screen.getByRole("button", { name: /^Aktuelles Innere Medizin/ }));
    // At once: what is known is not asked for.
    expect((await lineOf(/^Die Grippeimpfung/)).getByText(noted)).toBeTruthy();
    await new Promise((later) => setTimeout(later, 300));
    expect(places()).toEqual([1, 2, 3, 4, 5]);
  });

  it("that fails says why, and can be tried again", async () => {
    const { device, user } = await openChannel("reader");
    device.failing.set("confirm", new DeviceError("offline", "no connection"));
    await waitFor(() => expect(button("Wer Nachtdienst hat")).toBeTruthy());
    await user.click(button("Wer Nachtdienst hat")!);
    const line = await lineOf(/^Wer Nachtdienst hat/);
    expect((await line.findByRole("alert")).textContent).toMatch(OFFLINE);
    await user.click(button("Wer Nachtdienst hat")!);
    await line.findByText(noted);
    expect(line.queryByRole("alert")).toBeNull();
  });

  it("is possible when it could not be asked for, which is made up for with the connection", async () => {
    vi.spyOn(console, "debug").mockImplementation(() => undefined);
    const { device } = await openChannel("reader", (one) => {
      vi.spyOn(one, "confirmations").mockRejectedValue(new DeviceError("offline", "no connection"));
      one.update({ connection: { ...one.view().connection, state: "offline" } });
    });
    await waitFor(() => expect(button("Die Grippeimpfung")).toBeTruthy());
    vi.mocked(device.confirmations).mockRestore();
    act(() => device.update({ connection: { ...device.view().connection, state: "online" } }));
    await (await lineOf(/^Die Grippeimpfung/)).findByText(noted);
    expect(button("Die Grippeimpfung")).toBeNull();
  });

  it("is forgotten here when one signs out", async () => {
    const device = new MemoryDevice({ channel: "reader" });
    const confirmations = new Confirmations(device);
    const { messages } = await device.history(id("channel"), null, 10);
    const [first, second] = messages;
    await confirmations.ask(first!);
    expect(confirmations.get(first!.id)).toBeTypeOf("number");
    const late = confirmations.ask(second!);
    confirmations.clear();
    await late;
    expect([first, second].map((one) => confirmations.get(one!.id))).toEqual([undefined, undefined]);
  });

  it.each([
    ["an operator", "operator", {}],
    ["who was taken out", "reader", { membership: "left" }],
  ] as const)("is not for %s", async (_, channel, change) => {
    const { device } = await openChannel(channel, (one) => one.update({ conversations: one.view().conversations.map((other) => (other.id === id("channel") ? { ...other, ...change } : other)) }));
    await screen.findByText(/^Die Grippeimpfung/, { selector: "span[dir]" });
    await new Promise((later) => setTimeout(later, 300));
    expect(screen.queryByRole("button", { name: /^Zur Kenntnis nehmen/ })).toBeNull();
    expect(screen.queryByText(noted)).toBeNull();
    expect(asked(device, "confirmations")).toEqual([]);
  });

  it("is told to an operator: by whom, when, and of how many", async () => {
    const { user } = await openChannel("operator");
    const dialog = await openDelivery(user);
    const section = (await dialog.findByText("2 von 6")).closest("section")!;
    expect(section.querySelector("h3")?.textContent).toBe("Zur Kenntnis genommen2 von 6");
    expect([...section.querySelectorAll("li span:nth-of-type(2)")].map((one) => one.textContent)).toEqual(["Boris Weber", "Deniz Yilmaz"]);
    expect(section.querySelectorAll("time")).toHaveLength(2);
    expect(dialog.getAllByRole("heading", { level: 3 }).map((one) => one.textContent)).toEqual(["Zur Kenntnis genommen2 von 6", "Gelesen", "Zugestellt"]);
  });

  it("an operator is told that it is being asked for, and why it cannot be", async () => {
    const { device, user } = await openChannel("operator");
    let fail: (error: DeviceError) => void = () => undefined;
    vi.spyOn(device, "confirmations").mockReturnValueOnce(new Promise((_, reject) => (fail = reject)));
    const dialog = await openDelivery(user);
    expect((await dialog.findByRole("status")).textContent).toBe("Wird abgefragt …");
    act(() => fail(new DeviceError("offline", "no connection")));
    expect((await dialog.findByText(OFFLINE)).closest("[role=alert]")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Erneut versuchen" }));
    await dialog.findByText("2 von 6");
    expect(dialog.queryByRole("alert")).toBeNull();
  });
});

describe.each(["reader", "operator"] as const)("the details of a channel, for its %s", (channel) => {
  it("count and explain, and offer neither to add anybody nor to leave", async () => {
    const { user } = await openChannel(channel);
    await user.click(screen.getByRole("button", { name: "Details anzeigen" }));
    const details = within(await screen.findByRole("complementary", { name: "Kanal" }));
    expect(details.getByText("7 Leserinnen und Leser")).toBeTruthy();
    expect(details.getByText(/^Mitteilungen\. Wer hier liest/)).toBeTruthy();
    expect(details.queryByRole("button", { name: /hinzufügen/ })).toBeNull();
    expect(details.queryByRole("button", { name: /verlassen/ })).toBeNull();
    await user.click(details.getByRole("button", { name: /Boris Weber/ }));
    const person = within(await screen.findByRole("complementary", { name: "Person" }));
    expect(person.getByRole("button", { name: "Nachricht" })).toBeTruthy();
    expect(person.queryByRole("button", { name: /entfernen/ })).toBeNull();
  });
});

it("a channel's face is its own", async () => {
  const { container } = await openChannel("reader");
  // In the list and in the head; groups keep theirs.
  expect(container.querySelectorAll('[data-shape="channel"] svg')).toHaveLength(2);
  expect(container.querySelectorAll('[data-shape="group"]')).toHaveLength(4);
});
