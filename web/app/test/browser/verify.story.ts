// The IT compares what a real node serves with the build that it was made of; and with somebody in between who changes one byte.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Hospital, PROGRAMS } from "./hospital";

const LIST = new URL("../../dist/sha256sums.txt", import.meta.url).pathname;
const list = readFileSync(LIST);
const published = createHash("sha256").update(list).digest("hex");

let hospital: Hospital;
let between: Server;
/** Changes what is served at a path. */
let change: (path: string, body: Buffer) => Buffer = (_, body) => body;

beforeAll(async () => {
  hospital = await Hospital.open();
  between = createServer(async (request, response) => {
    const answer = await fetch(`${hospital.page}${request.url}`, { headers: { "accept-encoding": "identity" } });
    const body = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status).end(change(request.url ?? "/", body));
  });
  await new Promise<void>((resolve) => between.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  between?.close();
  await hospital?.close();
});

interface Verified {
  code: number | null;
  report: { same: boolean; files: number; served_sha256: string | null; differs: string[]; missing: string[]; extra: string[] };
}

async function verify(...args: string[]): Promise<Verified> {
  const child = spawn(join(PROGRAMS, "wardline-admin"), ["--json", "verify-web", ...args]);
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, report: JSON.parse(output) as Verified["report"] };
}

test("a node serves the client that it was built with, and the program says so", async () => {
  const { code, report } = await verify(hospital.page, "--sha256", published);
  expect(report).toMatchObject({ same: true, served_sha256: published, differs: [], missing: [], extra: [] });
  expect(report.files).toBeGreaterThan(10);
  expect(code).toBe(0);
});

test("another release's hash is not this one's", async () => {
  const { code, report } = await verify(hospital.page, "--sha256", "ab".repeat(32));
  expect(report).toMatchObject({ same: false, served_sha256: published, differs: [] });
  expect(code).toBe(4);
});

test("one changed byte is found and its file named", async () => {
  const address = `http://127.0.0.1:${(between.address() as AddressInfo).port}`;
  expect((await verify(address, "--sha256", published)).report.same).toBe(true);
  change = (path, body) => (path === "/sw.js" ? Buffer.concat([body.subarray(0, -1), Buffer.from(" ")]) : body);
  const changed = await verify(address, "--sha256", published);
  expect(changed.report.differs).toEqual(["sw.js"]);
  expect(changed.code).toBe(4);
  // Nor does it help to change the list as well.
  change = (path, body) => (path === "/sha256sums.txt" ? Buffer.from(body.toString().replace(/^[0-9a-f]{2}/, "00")) : body);
  const adapted = await verify(address, "--list", LIST);
  expect(adapted.report).toMatchObject({ same: false, differs: [], missing: [] });
  expect(adapted.report.served_sha256).not.toBe(published);
});
