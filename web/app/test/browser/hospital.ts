// A demo hospital with its node, real browsers, and the native client beside them. Ends only what it started.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, type Page, chromium } from "playwright-core";

const ROOT = new URL("../../../../", import.meta.url).pathname;
export const PROGRAMS = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug");
const CHROMIUM = process.env.WARDLINE_CHROMIUM ?? "/usr/bin/chromium";
const START_MS_MAX = 30_000;

/** Nothing of the browser may look for the outside: there is none. */
const CHROMIUM_ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required",
];

/** WebRTC sends no datagram: what a network that blocks UDP comes to. */
const WITHOUT_UDP = ["--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--webrtc-ip-handling-policy=disable_non_proxied_udp"];

export interface Ready {
  address: string;
  web: string;
  enrolment: Record<string, string>;
  web_enrolment: Record<string, string>;
}

export class Hospital {
  /** Where the page is. */
  readonly page: string;
  private readonly contexts: BrowserContext[] = [];
  private readonly names = new Map<string, BrowserContext>();
  private readonly children: ChildProcess[] = [];

  private constructor(
    readonly folder: string,
    readonly ready: Ready,
    node?: ChildProcess,
  ) {
    if (node) this.children.push(node);
    this.page = new URL(Object.values(ready.web_enrolment)[0] ?? ready.web).origin;
  }

  /** Where one of the programs is. */
  static program(name: string): string {
    const path = join(PROGRAMS, name);
    if (!existsSync(path)) throw new Error(`${path} is missing: run make build`);
    return path;
  }

  /** Browsers alone: the story brings a node of its own. */
  static none(): Hospital {
    const nowhere = { address: "", web: "http://localhost", enrolment: {}, web_enrolment: {} };
    return new Hospital(mkdtempSync(join(tmpdir(), "wardline-browser-")), nowhere);
  }

  /** `listen`: the address of clients and of the media. `channel`: with one in which Anna writes to everybody. */
  static async open({ listen = "127.0.0.1", channel = false } = {}): Promise<Hospital> {
    const program = Hospital.program("wardline");
    const folder = mkdtempSync(join(tmpdir(), "wardline-browser-"));
    const readyFile = join(folder, "ready.json");
    const node = spawn(program, [
      "dev", "--data", join(folder, "node"), "--listen", `${listen}:0`, "--web", "127.0.0.1:0", "--ready-file", readyFile, ...(channel ? ["--channel"] : []),
    ], { stdio: ["ignore", "ignore", process.env.WARDLINE_TEST_LOG ? "inherit" : "ignore"] });
    await until("the node to start", START_MS_MAX, () => existsSync(readyFile) && readFileSync(readyFile, "utf8").trim().endsWith("}"));
    return new Hospital(folder, JSON.parse(readFileSync(readyFile, "utf8")) as Ready, node);
  }

  /** Ends `wardline dev` and goes on with `wardline serve` under these settings, on the same addresses and data: as a hospital's own node. */
  async serveWith(settings: Record<string, string>): Promise<void> {
    const dev = this.children.shift();
    if (dev) await ended(dev);
    const web = new URL(this.ready.web).host;
    const own = { LISTEN__ADDRESS: this.ready.address, WEB__ADDRESS: web, WEB__PLAIN_HTTP: "true", OPS__ADDRESS: "127.0.0.1:0", MEDIA__ADDRESS: "127.0.0.1:0" };
    const variables = Object.entries({ ...own, ...settings }).map(([name, value]) => [`WARDLINE_${name}`, value]);
    this.children.unshift(
      spawn(Hospital.program("wardline"), ["serve", "--data", join(this.folder, "node", "node")], {
        env: { ...process.env, ...Object.fromEntries(variables) },
        stdio: ["ignore", "ignore", process.env.WARDLINE_TEST_LOG ? "inherit" : "ignore"],
      }),
    );
    await until("the node to serve", START_MS_MAX, () => fetch(this.ready.web).then(({ ok }) => ok, () => false));
  }

  /** Runs one of npm's programs until the hospital is closed. */
  helper(script: string, ...args: string[]): void {
    this.children.push(spawn(process.execPath, [script, ...args], { stdio: "ignore" }));
  }

  /** A browser profile of its own: a process of its own, with its own state. `tone`: the WAV file that its microphone hears. Its camera is Chromium's own, a moving picture, or shows `camera`: a file of JPEG pictures, read when the camera is opened. */
  async browser(name: string, options: { tone?: string; camera?: string; locale?: string; without?: "udp"; phone?: boolean; theme?: "light" | "dark" } = {}): Promise<BrowserContext> {
    if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is missing: run make setup`);
    const context = await chromium.launchPersistentContext(join(this.folder, `profile-${name}`), {
      executablePath: CHROMIUM,
      headless: true,
      args: [...CHROMIUM_ARGUMENTS, ...(options.tone ? [`--use-file-for-fake-audio-capture=${options.tone}`] : []), ...(options.camera ? [`--use-file-for-fake-video-capture=${options.camera}`] : []), ...(options.without ? WITHOUT_UDP : [])],
      viewport: options.phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
      hasTouch: options.phone ?? false,
      isMobile: options.phone ?? false,
      colorScheme: options.theme ?? "light",
      locale: options.locale ?? "en-GB",
      permissions: ["microphone", "camera"],
    });
    context.setDefaultTimeout(20_000);
    this.contexts.push(context);
    this.names.set(name, context);
    return context;
  }

  /** The page of a browser that an earlier test opened. */
  pageOf(name: string): Page {
    const page = this.names.get(name)?.pages()[0];
    if (!page) throw new Error(`no browser was opened for ${name}`);
    return page;
  }

  /** The node is there and does nothing for so long, as one behind a broken line. */
  async still(ms: number): Promise<void> {
    const [node] = this.children;
    node?.kill("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, ms));
    node?.kill("SIGCONT");
  }

  /** Opens the page with this person's link and signs in. */
  async signIn(context: BrowserContext, handle: string): Promise<Page> {
    const page = context.pages()[0] ?? (await context.newPage());
    const link = this.ready.web_enrolment[handle];
    if (link === undefined) throw new Error(`no link for ${handle}`);
    await page.goto(link);
    await page.getByRole("button", { name: "Sign in on this device" }).click();
    await page.getByRole("textbox", { name: /search/i }).first().waitFor();
    return page;
  }

  /** Runs wardline-client to its end; gives what it printed as JSON lines. */
  async native(who: string, ...args: string[]): Promise<Record<string, unknown>[]> {
    const child = spawn(Hospital.program("wardline-client"), ["--dir", join(this.folder, who), "--json", ...args]);
    let [output, errors] = ["", ""];
    child.stdout.on("data", (data: Buffer) => (output += data.toString()));
    child.stderr.on("data", (data: Buffer) => (errors += data.toString()));
    this.children.push(child);
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    if (code !== 0) throw new Error(`wardline-client ${args[0]} ended with ${code}: ${errors}${output}`);
    return output.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** What every page shows now, into the folder WARDLINE_TEST_PICTURES, when it is set. */
  async photograph(name: string): Promise<void> {
    const folder = process.env.WARDLINE_TEST_PICTURES;
    if (!folder) return;
    const pages = this.contexts.flatMap((context) => context.pages());
    await Promise.all(pages.map((page, i) => page.screenshot({ path: join(folder, `${name}-${i}.png`) })));
  }

  async close(): Promise<void> {
    await Promise.all(this.contexts.map((context) => context.close().catch(() => undefined)));
    for (const child of this.children.reverse()) await ended(child);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.on("close", resolve));
  child.kill("SIGTERM");
  await closed;
}

/** Waits for a thing, with a bound. */
export async function until(what: string, ms: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
