// Photos, films, documents and places between two browsers and the native client, over both roads, with real encoders and decoders.
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext, Download, Locator } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Hospital, until } from "./hospital";
import { Person } from "./person";

/** Enough that a reload meets it in the middle. */
const LARGE_BYTES = 30_000_000;

let hospital: Hospital;
let anna: Person;
let boris: Person;

beforeAll(async () => {
  hospital = await Hospital.open();
  const [a, b] = await Promise.all([hospital.browser("anna"), hospital.browser("boris")]);
  await blocked(b);
  anna = new Person(await hospital.signIn(a, "anna"));
  boris = new Person(await hospital.signIn(b, "boris"));
  await anna.openDirect("Boris Weber");
  await anna.write("hier kommen Bilder");
  await boris.open("Dr. Anna Meier");
});
afterEach(({ task }) => (task.result?.state === "fail" ? hospital.photograph(task.name) : undefined));
afterAll(() => hospital?.close());

/** Boris sits in a network without UDP: his files go over WebSockets of their own. */
async function blocked(context: BrowserContext): Promise<void> {
  await context.route("**/connect.json", async (route) => {
    const answer = await route.fetch();
    const places = (await answer.json()) as { webtransport: { port: number } };
    places.webtransport.port = 9;
    await route.fulfill({ response: answer, json: places });
  });
}

/** Red on the left, blue on the right, larger than what is sent; by the browser's own encoder. */
function photo(person: Person): Promise<Buffer> {
  return inPage(person, async () => {
    const canvas = new OffscreenCanvas(3_200, 2_000);
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("no canvas");
    context.fillStyle = "red";
    context.fillRect(0, 0, 1_600, 2_000);
    context.fillStyle = "blue";
    context.fillRect(1_600, 0, 1_600, 2_000);
    return canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
  });
}

/** Two seconds of a picture that moves, VP8 in WebM. */
function film(person: Person): Promise<Buffer> {
  return inPage(person, async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
    const context = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: "video/webm;codecs=vp8" });
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const ended = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    const end = performance.now() + 2_000;
    for (let now = 0; now < end; now = await new Promise<number>(requestAnimationFrame)) {
      if (context === null) throw new Error("no canvas");
      context.fillStyle = `hsl(${now / 10} 90% 50%)`;
      context.fillRect(0, 0, 320, 240);
    }
    recorder.stop();
    await ended;
    return new Blob(parts);
  });
}

async function inPage(person: Person, make: () => Promise<Blob>): Promise<Buffer> {
  const text = await person.page.evaluate(async (source) => {
    // The function comes as text: what it closes over is the page's.
    const blob = await (new Function(`return (${source})()`) as () => Promise<Blob>)();
    const bytes = new Uint8Array(await blob.arrayBuffer());
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }, make.toString());
  return Buffer.from(text, "hex");
}

function stored(name: string, content: Buffer): string {
  const path = join(hospital.folder, name);
  writeFileSync(path, content);
  return path;
}

async function attach(person: Person, item: string, path: string): Promise<void> {
  await person.page.getByRole("button", { name: "Attach" }).click();
  const chooser = person.page.waitForEvent("filechooser");
  await person.page.getByRole("menuitem", { name: item }).click();
  await (await chooser).setFiles(path);
}

const send = (person: Person) => person.page.getByRole("button", { name: /^Send \d+ file/ }).click();
const bubbles = (person: Person): Locator => person.page.getByRole("log").locator("[data-own], [data-other]");
const pictures = (person: Person) => person.page.getByRole("log").locator("img[src^='blob:']");

/** What is drawn in the last picture: average colours of its left and right half. */
async function halves(person: Person): Promise<{ width: number; left: number[]; right: number[] }> {
  return pictures(person).last().evaluate((image: HTMLImageElement) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("no canvas");
    context.drawImage(image, 0, 0);
    const average = (x: number, width: number) => {
      const { data } = context.getImageData(x, 0, width, canvas.height);
      const sums = [0, 0, 0];
      data.forEach((value, i) => i % 4 < 3 && (sums[i % 4] = (sums[i % 4] ?? 0) + value));
      return sums.map((sum) => Math.round((sum * 4) / data.length));
    };
    const half = Math.floor(canvas.width / 2);
    return { width: canvas.width, left: average(0, half), right: average(half, half) };
  });
}

test("a photo arrives by itself, drawn as it was, without where it was taken", async () => {
  const path = stored("foto.jpg", withExif(await photo(anna)));
  expect(readFileSync(path).includes("GPS-CANARY")).toBe(true);
  await attach(anna, "Photos and videos", path);
  await anna.page.getByText("Where it was taken").waitFor();
  await anna.page.getByRole("textbox", { name: /Caption/ }).fill("Röntgen, linke Hand");
  await send(anna);
  await boris.page.getByRole("log").getByText("Röntgen, linke Hand").waitFor();
  await until("the photo itself", 20_000, async () => (await halves(boris).catch(() => null))?.width === 2_560);
  const { left, right } = await halves(boris);
  expect(left[0]).toBeGreaterThan(200);
  expect(left[2]).toBeLessThan(60);
  expect(right[2]).toBeGreaterThan(200);

  // As somebody gets it who looks at every byte.
  await hospital.native("carla", "enrol", hospital.ready.enrolment["carla"] ?? "");
  await anna.openDirect("Dr. Carla Rossi");
  await attach(anna, "Photos and videos", path);
  await send(anna);
  const inbox = hospital.folder;
  const said = await hospital.native("carla", "chat", "listen", "--count", "1", "--for", "40", "--save-to", inbox);
  const saved = said.find(({ event }) => event === "saved");
  const bytes = readFileSync(String(saved?.["path"]));
  expect(bytes.subarray(0, 3)).toEqual(Buffer.from([0xff, 0xd8, 0xff]));
  expect(bytes.includes("GPS-CANARY")).toBe(false);
});

test("a film plays, and what the native client sends is shown", async () => {
  const path = stored("film.webm", await film(anna));
  await hospital.native("carla", "chat", "send-file", "--to", "anna", path, "--caption", "Gangbild");
  await anna.row("Dr. Carla Rossi").click();
  await anna.page.getByRole("log").getByText("Gangbild").waitFor();
  await anna.page.getByRole("button", { name: /video|Load/i }).last().click();
  const video = anna.page.locator("video").last();
  await until("the film to play", 20_000, () => video.evaluate((it: HTMLVideoElement) => it.videoWidth === 320 && it.currentTime > 0.3).catch(() => false));
});

test("a large document survives a reload in the middle, and is the same at the other end", async () => {
  const content = randomBytes(LARGE_BYTES);
  const path = stored("befund.bin", content);
  await anna.row("Boris Weber").click();
  await attach(anna, "Document", path);
  await send(anna);
  await anna.page.getByRole("log").getByText("befund.bin").waitFor();
  await anna.page.reload();
  await boris.page.getByRole("log").getByText("befund.bin").waitFor({ timeout: 60_000 });
  const download = boris.page.waitForEvent("download", { timeout: 60_000 });
  await boris.page.getByRole("button", { name: /Save befund.bin/ }).last().click();
  const got = await saved(await download);
  expect(got.length).toBe(LARGE_BYTES);
  expect(got.equals(content)).toBe(true);
});

test("Boris answers with a file over WebSocket, and with a place in words", async () => {
  const content = randomBytes(700_000);
  const path = stored("labor.csv", content);
  await attach(boris, "Document", path);
  await send(boris);
  await anna.row("Boris Weber").click();
  await anna.page.getByRole("log").getByText("labor.csv").waitFor();
  const download = anna.page.waitForEvent("download");
  await anna.page.getByRole("button", { name: /Save labor.csv/ }).last().click();
  expect((await saved(await download)).equals(content)).toBe(true);

  await boris.page.getByRole("button", { name: "Attach" }).click();
  await boris.page.getByRole("menuitem", { name: "Location" }).click();
  await boris.page.getByRole("textbox", { name: "Place in words" }).fill("Haus B / 2 / OP 3");
  await boris.page.getByRole("button", { name: "Send location" }).click();
  await anna.page.getByRole("log").getByText("Haus B / 2 / OP 3").waitFor();
  await until("nothing to be on its way", 10_000, async () => (await bubbles(anna).locator("[role=progressbar]").count()) === 0);
});

test("nothing of the files is left in a browser that has signed out", async () => {
  const names = (person: Person) =>
    person.page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const found: string[] = [];
      for await (const [name, handle] of root.entries()) {
        if (handle.kind === "directory") for await (const inner of (handle as FileSystemDirectoryHandle).keys()) found.push(`${name}/${inner}`);
      }
      return found;
    });
  expect((await names(boris)).length).toBeGreaterThan(0);
  await boris.page.getByRole("button", { name: /Settings|Boris Weber/ }).first().click();
  await boris.page.getByRole("button", { name: "Sign out" }).first().click();
  await boris.page.getByRole("button", { name: "Sign out" }).last().click();
  await boris.page.getByRole("button", { name: "Link to a device I have" }).waitFor();
  expect(await names(boris)).toEqual([]);
});

async function saved(download: Download): Promise<Buffer> {
  return readFileSync(await download.path());
}

/** An APP1 segment behind the start of a JPEG, as cameras write one. */
function withExif(jpeg: Buffer): Buffer {
  const payload = Buffer.from("Exif\0\0GPS-CANARY 48.137 11.575");
  const head = Buffer.from([0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(payload.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, 2), head, payload, jpeg.subarray(2)]);
}
