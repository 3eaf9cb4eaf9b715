import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { App } from "../src/App";
import { id, MemoryDevice } from "./fixture";

const asked = (device: MemoryDevice) => device.asked.filter((one) => one.command === "fetchReceipts").map((one) => one.with[0]);

async function openStation(people: number): Promise<MemoryDevice> {
  const device = new MemoryDevice();
  const { conversations } = device.view();
  const more = Array.from({ length: people }, (_, n) => id(`person${n}`));
  device.update({ conversations: conversations.map((one) => (one.id === id("station1") ? { ...one, accounts: [...one.accounts, ...more] } : one)) });
  render(<App device={device} enrolmentCode={null} />);
  await userEvent.setup().click(await screen.findByRole("button", { name: /Station 1/ }));
  await screen.findByRole("textbox", { name: /^Nachricht an/ });
  return device;
}

it("asks for the marks of a large conversation when it is opened", async () => {
  expect(asked(await openStation(70))).toEqual([id("station1")]);
});

it("asks for none of a small one, which is told", async () => {
  expect(asked(await openStation(0))).toEqual([]);
});
