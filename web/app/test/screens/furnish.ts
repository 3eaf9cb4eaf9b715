// Conversations with pictures, films, documents and places in all their states, for photographs. Prepared by the product's own code.
import type { Body, FileAbout, Message } from "../../src/device/contract";
import { browserCodec } from "../../src/files/codec";
import { prepare } from "../../src/files/prepare";
import { id, type MemoryDevice, PEOPLE } from "../fixture";
import { corridor, ecg, film, xray } from "./samples";

const MINUTE_MS = 60_000;

interface Line {
  to?: string;
  from?: keyof typeof PEOPLE;
  ago: number;
  file?: File | FileAbout;
  about?: Partial<FileAbout>;
  place?: Extract<Body, { kind: "location" }>["place"];
  text?: string;
  /** Whether the content is on this device. */
  here?: boolean;
  part?: Partial<Message>;
}

function about(name: string, mime: string, bytes: number, part: Partial<FileAbout> = {}): FileAbout {
  return { name, mime, bytes, width: 0, height: 0, durationMs: 0, thumbnail: null, caption: "", ...part };
}

async function put(device: MemoryDevice, { to = "station1", from = "boris", ago, file, about: more, place, text, here = true, part }: Line): Promise<Message> {
  const prepared = file instanceof File ? (await prepare(file, browserCodec)).parcel : null;
  const described = prepared?.about ?? (file as FileAbout | undefined);
  const body: Body = described ? { kind: "file", file: { ...described, ...more } } : place ? { kind: "location", place } : { kind: "text", text: text ?? "" };
  const message = device.deliver(id(to), PEOPLE[from], body, { sentAtMs: Date.now() - ago * MINUTE_MS, ...part });
  if (prepared && here) device.files.set(message.id, prepared.content);
  return message;
}

export async function furnishFiles(device: MemoryDevice): Promise<void> {
  await put(device, { ago: 3, file: await corridor(), about: { caption: "Der Flur ist wieder frei, Betten stehen jetzt vor Zimmer 12." } });
  await put(device, { from: "anna", ago: 3, file: await xray() });
  await put(device, { ago: 2, file: about("Entlassbrief Frau S. – Station 1, endgültige Fassung.pdf", "application/pdf", 284_000) });
  await put(device, { ago: 2, file: await film(), about: { bytes: 12_400_000, durationMs: 42_000 }, here: false });
  await put(device, { from: "anna", ago: 1, file: about("Dienstplan Dezember.xlsx", "application/vnd.ms-excel", 48_300, { caption: "Bitte bis Freitag prüfen" }) });
  await put(device, { ago: 0, file: about("Sprachnotiz.m4a", "audio/mp4", 640_000, { durationMs: 37_000 }) });
}

export async function furnishPlaces(device: MemoryDevice): Promise<void> {
  await put(device, { to: "carla", from: "carla", ago: 4, place: { words: "Haus B / 2 / OP 3", position: { latitude: 53.590_61, longitude: 9.975_42, accuracyM: 12 } } });
  await put(device, { to: "carla", from: "anna", ago: 3, text: "Komme." });
  await put(device, { to: "carla", from: "anna", ago: 2, place: { words: "", position: { latitude: 53.591_2, longitude: 9.974_3, accuracyM: 1400 } } });
  await put(device, { to: "carla", from: "carla", ago: 1, place: { words: "Haupteingang, links neben dem Kiosk", position: null } });
  await put(device, { to: "carla", from: "carla", ago: 0, file: await ecg() });
}

export async function furnishTransfers(device: MemoryDevice): Promise<void> {
  const up = { state: "sending" } as const;
  const big = await put(device, { ago: 5, file: await corridor(), about: { bytes: 8_700_000 }, here: false });
  const movie = await put(device, { ago: 4, file: await film(), about: { bytes: 61_000_000, durationMs: 184_000 }, here: false });
  await put(device, { from: "anna", ago: 3, file: about("Befundpaket.zip", "application/zip", 99_000_000), part: { state: "failed", error: "nodestorage: The node cannot write." } });
  const plan = await put(device, { from: "anna", ago: 2, file: about("Stationsplan.pdf", "application/pdf", 4_800_000), part: up });
  const photo = await put(device, { from: "anna", ago: 1, file: await xray(), part: up });
  device.update({ transfers: {} });
  device.transfer(movie.id, { direction: "down", done: 39_000_000, bytes: 61_000_000, waiting: false });
  device.transfer(plan.id, { direction: "up", done: 1_300_000, bytes: 4_800_000, waiting: true });
  device.transfer(photo.id, { direction: "up", done: 300_000, bytes: 1_100_000, waiting: false });
  Object.assign(window, { big: big.id });
}

export async function furnishPreviews(device: MemoryDevice): Promise<void> {
  await put(device, { to: "emil", from: "emil", ago: 5, file: await ecg() });
  await put(device, { to: "deniz", from: "deniz", ago: 4, file: about("Rundgang.webm", "video/webm", 1_000_000, { caption: "So sieht es jetzt aus" }) });
  await put(device, { to: "station1", from: "anna", ago: 3, file: about("Dienstplan Dezember.xlsx", "application/vnd.ms-excel", 48_300) });
  await put(device, { to: "reanimation", from: "emil", ago: 1, place: { words: "Haus B / 2 / OP 3", position: null } });
  await put(device, { to: "boris", from: "boris", ago: 2, file: about("x.m4a", "audio/mp4", 1000) });
}
