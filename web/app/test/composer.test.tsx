import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { App } from "../src/App";
import { sends, type Pressed } from "../src/conversation/composerKeys";
import { DeviceError } from "../src/device/contract";
import { id, MemoryDevice } from "./fixture";

const plain: Pressed = { key: "Enter", shiftKey: false, ctrlKey: false, metaKey: false, isComposing: false };

describe("the Enter key", () => {
  it("sends on a desktop, and not with Shift or while an input method composes", () => {
    expect(sends(plain, false)).toBe(true);
    expect(sends({ ...plain, shiftKey: true }, false)).toBe(false);
    expect(sends({ ...plain, isComposing: true }, false)).toBe(false);
    expect(sends({ ...plain, key: "a" }, false)).toBe(false);
  });

  it("is a new line on a phone, unless a real keyboard says otherwise", () => {
    expect(sends(plain, true)).toBe(false);
    expect(sends({ ...plain, ctrlKey: true }, true)).toBe(true);
  });
});

async function openIn(device: MemoryDevice, name: RegExp) {
  const user = userEvent.setup();
  render(<App device={device} enrolmentCode={null} />);
  await user.click(await screen.findByRole("button", { name }));
  return { user, field: await screen.findByRole<HTMLTextAreaElement>("textbox", { name: /^Nachricht an/ }) };
}

const sent = (device: MemoryDevice) => device.asked.filter((one) => one.command === "send").map((one) => one.with);

describe("the composer", () => {
  it("sends with Enter and begins a line with Shift+Enter", async () => {
    const device = new MemoryDevice();
    const { user, field } = await openIn(device, /Dr. Carla Rossi/);
    await user.type(field, "Zeile eins{Shift>}{Enter}{/Shift}Zeile zwei{Enter}");
    expect(sent(device)).toEqual([[id("carla"), "Zeile eins\nZeile zwei"]]);
    expect(field.value).toBe("");
  });

  it("does not wait for one message before it takes the next", async () => {
    const device = new MemoryDevice();
    vi.spyOn(device, "send").mockImplementation((conversation, text) => {
      device.asked.push({ command: "send", with: [conversation, text] });
      return new Promise(() => undefined);
    });
    const { user, field } = await openIn(device, /Dr. Carla Rossi/);
    await user.type(field, "eins{Enter}zwei{Enter}");
    expect(sent(device).map(([, text]) => text)).toEqual(["eins", "zwei"]);
    expect(field.value).toBe("");
  });

  it("does not send nothing", async () => {
    const device = new MemoryDevice();
    const { user, field } = await openIn(device, /Dr. Carla Rossi/);
    await user.type(field, "   {Enter}");
    expect(sent(device)).toEqual([]);
  });

  it("gives the text back when the outbox does not take it", async () => {
    const device = new MemoryDevice();
    device.failing.set("send", new DeviceError("full", "too much is waiting"));
    const { user, field } = await openIn(device, /Dr. Carla Rossi/);
    await user.type(field, "Wichtig{Enter}");
    expect(await screen.findByText(/Es wartet schon zu viel/)).toBeTruthy();
    expect(field.value).toBe("Wichtig");
  });

  it("keeps each conversation's draft apart, shows it in the list, and puts it into no storage", async () => {
    const kept = vi.spyOn(Storage.prototype, "setItem");
    const device = new MemoryDevice();
    const { user, field } = await openIn(device, /Dr. Carla Rossi/);
    await user.type(field, "geheimer Entwurf");
    await user.click(screen.getByRole("button", { name: /^Reanimation/ }));
    const other = await screen.findByRole<HTMLTextAreaElement>("textbox", { name: /^Nachricht an Reanimation/ });
    expect(other.value).toBe("");
    expect(screen.getByRole("button", { name: /Dr. Carla Rossi.*Entwurf: geheimer Entwurf/ })).toBeTruthy();
    await user.type(other, "anderes");
    await user.click(screen.getByRole("button", { name: /Dr. Carla Rossi/ }));
    expect((await screen.findByRole<HTMLTextAreaElement>("textbox", { name: /^Nachricht an Dr. Carla/ })).value).toBe("geheimer Entwurf");
    expect(JSON.stringify(kept.mock.calls)).not.toContain("geheim");
    expect(JSON.stringify(window.history.state)).not.toContain("geheim");
  });

  it("inserts an emoji that was searched for where the caret is", async () => {
    const { user, field } = await openIn(new MemoryDevice(), /Dr. Carla Rossi/);
    await user.type(field, "ab");
    field.setSelectionRange(1, 1);
    await user.click(screen.getByRole("button", { name: "Emoji einfügen" }));
    await user.type(await screen.findByRole("textbox", { name: "Emoji suchen" }), "spritze{Enter}");
    expect(field.value).toBe("a💉b");
  });
});
