// What one screen shows as a QR code, another browser's camera sees: it signs in by a sheet's code, and links a further device.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { encode } from "uqr";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital } from "./hospital";
import { Person } from "./person";

let hospital: Hospital;

beforeAll(async () => {
  hospital = await Hospital.open();
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

const MARGIN = 24;

/** Holds what a page shows before a camera; `part`: so close that there is little else in the picture. */
async function hold(page: Page, camera: string, part?: Locator): Promise<void> {
  const box = await part?.boundingBox();
  const clip = box && { x: box.x - MARGIN, y: box.y - MARGIN, width: box.width + 2 * MARGIN, height: box.height + 2 * MARGIN };
  writeFileSync(camera, await page.screenshot({ type: "jpeg", quality: 90, ...(clip && { clip }) }));
}

/** A sheet of the hospital's IT with a code, on a desk. */
function sheet(text: string): string {
  const { data, size } = encode(text, { ecc: "M", border: 4 });
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return `<body style="margin:0;display:grid;place-items:center;height:100vh;background:#8a7a66">
    <svg width="560" height="560" viewBox="0 0 ${size} ${size}" style="background:#f4f1ea;transform:rotate(4deg)"><path d="${path}" fill="#222"/></svg>`;
}

test("a sheet's code is scanned and signs in, and other codes are told apart", async () => {
  const camera = join(hospital.folder, "desk.mjpeg");
  const [desk, browser] = await Promise.all([hospital.browser("desk"), hospital.browser("carla", { camera, phone: true })]);
  const paper = desk.pages()[0] ?? (await desk.newPage());
  await paper.setContent(sheet("https://klinik.example/speiseplan"));
  await hold(paper, camera);

  const page = browser.pages()[0] ?? (await browser.newPage());
  await page.goto(hospital.page);
  await page.getByRole("button", { name: "Scan QR code" }).click();
  await page.getByRole("alert").getByText("This is not a Wardline code").waitFor();
  await hospital.photograph("scan-foreign");
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("dialog").waitFor({ state: "hidden" });

  const link = hospital.ready.web_enrolment.carla;
  if (link === undefined) throw new Error("no link for carla");
  await paper.setContent(sheet(link));
  await hold(paper, camera);
  await page.getByRole("button", { name: "Scan QR code" }).click();
  // Good once, so it waits to be confirmed.
  await page.getByRole("button", { name: "Sign in on this device" }).click();
  await page.getByRole("textbox", { name: /search/i }).first().waitFor();
  await desk.close();
});

test("a new device's code is scanned by one that is there, and the two compare a contact's safety number", async () => {
  const camera = join(hospital.folder, "tablet.mjpeg");
  const [first, second, other] = await Promise.all([hospital.browser("anna", { camera }), hospital.browser("tablet"), hospital.browser("boris")]);
  const anna = new Person(await hospital.signIn(first, "anna"));
  const boris = new Person(await hospital.signIn(other, "boris"));
  await anna.openDirect("Boris Weber");
  await anna.write("vom ersten Gerät");
  await boris.open("Dr. Anna Meier");

  const tablet = new Person(second.pages()[0] ?? (await second.newPage()));
  await tablet.page.goto(hospital.page);
  await tablet.page.getByRole("button", { name: "Link to a device I have" }).click();
  await tablet.page.getByRole("img", { name: /QR code/ }).waitFor();
  await hold(tablet.page, camera);

  await anna.page.getByRole("button", { name: /Settings/ }).first().click();
  await anna.page.getByRole("button", { name: "Link another device" }).click();
  await anna.page.getByRole("button", { name: "Scan the code" }).click();
  await anna.page.getByText("The code was scanned.").waitFor();
  await hospital.photograph("scan-linked");
  await anna.page.getByRole("dialog").getByRole("button", { name: "Link device" }).click();
  await tablet.open("Boris Weber");
  await tablet.write("vom zweiten Gerät");
  await boris.message("vom zweiten Gerät").waitFor();

  // The same person's number is the same on both sides; another's is not.
  await boris.page.getByRole("button", { name: "Close notice" }).first().click(); // of the new device: it would stand before the code
  await boris.page.getByRole("button", { name: "Show details" }).click();
  await boris.page.getByRole("button", { name: "Safety number as a QR code" }).click();
  await boris.page.getByRole("img", { name: /QR code/ }).scrollIntoViewIfNeeded();
  await hold(boris.page, camera, boris.page.getByRole("img", { name: /QR code/ }));
  await anna.open("Boris Weber");
  await anna.page.getByRole("button", { name: "Show details" }).click();
  await anna.page.getByRole("button", { name: "Scan and compare" }).click();
  await anna.page.getByText(/^The same on both sides/).waitFor();
  expect(await anna.page.getByText(/^The numbers differ/).count()).toBe(0);

  const strange = await second.newPage();
  await strange.setContent(sheet("0123456789".repeat(6)));
  await hold(strange, camera);
  await anna.page.getByRole("button", { name: "Scan and compare" }).click();
  await anna.page.getByText(/^The numbers differ/).waitFor();
});
