// Scanning up to where the camera would show something. What it reads, real browsers scan in test/browser/scan.story.ts.
import { render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { encode } from "uqr";
import { describe, expect, it, vi } from "vitest";
import { App } from "../src/App";
import { whatIs } from "../src/scan/codes";
import { readQr } from "../src/scan/reader";
import { MemoryDevice } from "./fixture";

const CODE = "Ab3_".repeat(45);

describe("what was scanned", () => {
  it.each([
    [`wardline://enrol#${CODE}`, "enrolment"],
    [`https://wardline.klinik.example:8443/enrol#${CODE}`, "enrolment"],
    [` https://wardline.klinik.example/enrol/#${CODE}\n`, "enrolment"],
    [`wardline://link#${CODE}`, "device"],
    ["0123456789".repeat(6), "safety"],
    ["https://wardline.klinik.example/", "foreign"],
    [`https://klinik.example/speiseplan#${CODE}`, "foreign"],
    ["wardline://link#short", "foreign"],
    [`wardline://link#${"a".repeat(1025)}`, "foreign"],
    ["WIFI:S:Klinik;T:WPA;P:geheim;;", "foreign"],
    ["", "foreign"],
  ])("%s is told apart", (text, kind) => expect(whatIs(text)).toBe(kind));
});

/** A code as a camera has it: grey, not sharp, in a corner. */
function photograph(text: string): ImageData {
  const { data: modules, size } = encode(text, { ecc: "M", border: 4 });
  const [side, scale, offset] = [720, 5.3, 150];
  const data = new Uint8ClampedArray(side * side * 4);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const [column, row] = [Math.floor((x - offset) / scale), Math.floor((y - offset) / scale)];
      const inside = row >= 0 && column >= 0 && row < size && column < size;
      const level = (inside ? (modules[row]?.[column] ? 58 : 196) : 110) + ((x * 7 + y * 13) % 23);
      data.set([level, level, level, 255], (y * side + x) * 4);
    }
  }
  return { width: side, height: side, data, colorSpace: "srgb" } as ImageData;
}

describe("the reader", () => {
  it("reads a code as long as an enrolment link", () => {
    const link = `https://wardline.klinik.example:8443/enrol#${CODE}`;
    expect(readQr(photograph(link))).toBe(link);
  });

  it("finds nothing where there is none", () => {
    const { data, ...rest } = photograph("x");
    expect(readQr({ ...rest, data: data.fill(90) } as ImageData)).toBeNull();
  });
});

function camera(answer: () => Promise<MediaStream>) {
  const getUserMedia = vi.fn(answer);
  vi.stubGlobal("navigator", Object.assign(Object.create(navigator), { mediaDevices: { getUserMedia } }));
  return getUserMedia;
}

async function openScanner() {
  render(<App device={new MemoryDevice({ phase: "signed-out" })} enrolmentCode={null} />);
  await userEvent.click(screen.getByRole("button", { name: "QR-Code scannen" }));
  return within(await screen.findByRole("dialog", { name: "QR-Code scannen" }));
}

describe("the scanner", () => {
  it.each([
    ["NotAllowedError", "Die Kamera ist nicht erlaubt"],
    ["NotFoundError", "Keine Kamera gefunden"],
    ["NotReadableError", "Die Kamera wird gerade benutzt"],
  ])("says what to do after %s, and tries again", async (name, words) => {
    const asked = camera(() => Promise.reject(new DOMException("", name)));
    const dialog = await openScanner();
    expect((await dialog.findByRole("alert")).textContent).toContain(words);
    await userEvent.click(dialog.getByRole("button", { name: "Erneut versuchen" }));
    await waitFor(() => expect(asked).toHaveBeenCalledTimes(2));
  });

  it("says so where the browser gives pages no camera", async () => {
    vi.stubGlobal("navigator", Object.assign(Object.create(navigator), { mediaDevices: undefined }));
    const dialog = await openScanner();
    expect((await dialog.findByRole("alert")).textContent).toContain("Keine Kamera gefunden");
  });

  it("asks for the camera only when it is opened, and lets it go when it is closed", async () => {
    const track = { stop: vi.fn(), addEventListener: vi.fn(), getSettings: () => ({}) };
    const asked = camera(() => Promise.resolve({ getTracks: () => [track] } as unknown as MediaStream));
    vi.stubGlobal("MediaStream", class {});
    HTMLMediaElement.prototype.play = () => Promise.resolve();
    HTMLCanvasElement.prototype.getContext = () => null;
    render(<App device={new MemoryDevice({ phase: "signed-out" })} enrolmentCode={null} />);
    expect(asked).not.toHaveBeenCalled();
    await userEvent.click(screen.getByRole("button", { name: "QR-Code scannen" }));
    await waitFor(() => expect(asked).toHaveBeenCalledTimes(1));
    expect(track.stop).not.toHaveBeenCalled();
    await userEvent.click(await screen.findByRole("button", { name: "Lieber als Text einfügen" }));
    await waitFor(() => expect(track.stop).toHaveBeenCalled());
  });
});
