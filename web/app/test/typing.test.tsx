import { act, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "../src/App";
import { Typing } from "../src/worker/typing";
import { id, MemoryDevice } from "./fixture";

const said = (device: MemoryDevice) => device.asked.filter((one) => one.command === "showTyping").map((one) => one.with[1]);

describe("who writes", () => {
  it("is said once while it goes on, and taken back when it is sent or given up", async () => {
    const device = new MemoryDevice();
    const user = userEvent.setup();
    render(<App device={device} enrolmentCode={null} />);
    await user.click(await screen.findByRole("button", { name: /Dr. Carla Rossi/ }));
    const field = await screen.findByRole("textbox", { name: /^Nachricht an/ });
    await user.type(field, "Bett 4");
    expect(said(device)).toEqual([true]);
    await user.type(field, "{Enter}");
    expect(said(device)).toEqual([true, false]);
    await user.type(field, "x{Backspace}");
    expect(said(device)).toEqual([true, false, true, false]);
    await user.type(field, "   ");
    expect(said(device)).toHaveLength(4);
  });

  it("is shown in the head and in the list, by name in a group", async () => {
    const device = new MemoryDevice();
    const user = userEvent.setup();
    render(<App device={device} enrolmentCode={null} />);
    await user.click(await screen.findByRole("button", { name: /Station 1/ }));
    act(() => device.update({ typing: { [id("station1")]: [id("boris")], [id("carla")]: [id("carla")] } }));
    expect(await screen.findAllByText("Boris Weber schreibt …")).toHaveLength(2);
    expect(screen.getAllByText("schreibt …")).toHaveLength(1);
    act(() => device.update({ typing: {} }));
    expect(screen.queryByText(/schreibt …/)).toBeNull();
  });
});

describe("what the node passes on", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("runs out when it is not said again", () => {
    const shown: string[] = [];
    const typing = new Typing((conversation, account, now) => shown.push(`${conversation} ${account} ${now}`));
    typing.told("c", "a", true);
    vi.advanceTimersByTime(4_000);
    typing.told("c", "a", true);
    vi.advanceTimersByTime(5_999);
    expect(shown).toEqual(["c a true", "c a true"]);
    vi.advanceTimersByTime(1);
    expect(shown.at(-1)).toBe("c a false");
  });
});
