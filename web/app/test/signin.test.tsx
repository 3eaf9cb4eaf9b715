import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import { App } from "../src/App";
import { DeviceError } from "../src/device/contract";
import { takeEnrolmentCode } from "../src/signin/enrolment";
import { MemoryDevice } from "./fixture";

describe("the enrolment link", () => {
  it("is read from the fragment and gone from the address", () => {
    window.history.replaceState(null, "", "/enrol#Ab3_secret-code");
    expect(takeEnrolmentCode(window.location, window.history)).toBe("Ab3_secret-code");
    expect(window.location.href).not.toContain("secret");
    expect(window.location.pathname).toBe("/");
  });

  it("leaves other addresses alone", () => {
    window.history.replaceState(null, "", "/#section");
    expect(takeEnrolmentCode(window.location, window.history)).toBeNull();
    expect(window.location.hash).toBe("#section");
  });

  it("is confirmed with one button", async () => {
    const device = new MemoryDevice({ phase: "signed-out" });
    render(<App device={device} enrolmentCode="Ab3_code" />);
    expect(device.asked).toEqual([]);
    await userEvent.click(screen.getByRole("button", { name: "Dieses Gerät anmelden" }));
    expect(device.asked[0]).toEqual({ command: "enrol", with: ["Ab3_code"] });
    expect(await screen.findByRole("navigation", { name: "Unterhaltungen" })).toBeTruthy();
  });
});

describe("signing in", () => {
  it("takes a pasted code with the sheet's line breaks out", async () => {
    const device = new MemoryDevice({ phase: "signed-out" });
    render(<App device={device} enrolmentCode={null} />);
    await userEvent.click(screen.getByLabelText(/Anmeldelink oder Code/));
    await userEvent.paste("wardline://enrol#Ab\n3_ x");
    await userEvent.click(screen.getByRole("button", { name: "Anmelden" }));
    expect(device.asked[0]).toEqual({ command: "enrol", with: ["wardline://enrol#Ab3_x"] });
  });

  it.each([
    ["CodeUsed", /schon verwendet.*Klinik-IT/],
    ["code-expired", /abgelaufen/],
    ["offline", /Nicht verbunden/],
    ["NeverHeardOf", /Das hat nicht geklappt: in English/],
  ])("says what to do about %s", async (code, words) => {
    const device = new MemoryDevice({ phase: "signed-out" });
    device.failing.set("enrol", new DeviceError(code, "in English"));
    render(<App device={device} enrolmentCode="x" />);
    await userEvent.click(screen.getByRole("button", { name: "Dieses Gerät anmelden" }));
    expect((await screen.findByRole("alert")).textContent).toMatch(words);
  });

  it("shows a code for another device, and can be cancelled", async () => {
    const device = new MemoryDevice({ phase: "signed-out" });
    render(<App device={device} enrolmentCode={null} />);
    await userEvent.click(screen.getByRole("button", { name: "Mit vorhandenem Gerät verbinden" }));
    expect(await screen.findByRole("img", { name: /QR-Code/ })).toBeTruthy();
    expect(screen.getByText("wardline://link#AbCd")).toBeTruthy();
    expect(screen.getByText(/Noch [45]:\d\d gültig/)).toBeTruthy();
    await userEvent.click(screen.getByRole("button", { name: "Abbrechen" }));
    expect(device.view().phase).toBe("signed-out");
  });

  it("says why a device was shut out and wipes it", async () => {
    const device = new MemoryDevice({ phase: "ended" });
    render(<App device={device} enrolmentCode={null} />);
    expect(screen.getByText(/Dieses Gerät wurde gesperrt/)).toBeTruthy();
    await userEvent.click(screen.getByRole("button", { name: "Daten löschen und neu beginnen" }));
    expect(device.asked[0]?.command).toBe("signOut");
  });
});
