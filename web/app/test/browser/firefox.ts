// Debian's Firefox ESR, driven by the names that a screen reader says.
import { existsSync } from "node:fs";
import { join } from "node:path";
import puppeteer, { type Browser, type ElementHandle, type Page } from "puppeteer-core";
import type { Heard } from "./person";

const FIREFOX = process.env.WARDLINE_FIREFOX ?? "/usr/bin/firefox-esr";
const STEP_MS = 20_000;
const LISTEN_MS = 1_500;

const named = (role: string, name: string) => `::-p-aria([name="${name}"][role="${role}"])`;

export class Firefox {
  private constructor(
    private readonly browser: Browser,
    readonly page: Page,
  ) {}

  /** A fresh profile. `tone`: what its microphone hears, in Hz; its camera is Firefox's own, a picture of changing colour. */
  static async open({ tone }: { tone?: number } = {}): Promise<Firefox> {
    if (!existsSync(FIREFOX)) throw new Error(`${FIREFOX} is missing: run make setup`);
    const media = {
      "media.navigator.streams.fake": true, "media.navigator.permission.disabled": true, "media.navigator.audio.fake_frequency": tone ?? 440,
      "media.autoplay.default": 0,
    };
    const browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: FIREFOX,
      headless: true,
      // Nothing of the browser may look for the outside: there is none.
      extraPrefsFirefox: { "intl.accept_languages": "en-GB", "app.normandy.enabled": false, "network.captive-portal-service.enabled": false, ...media },
    });
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 800 });
    page.setDefaultTimeout(STEP_MS);
    return new Firefox(browser, page);
  }

  /** Opens a person's link and signs in. */
  async signIn(link: string): Promise<void> {
    await this.page.goto(link);
    await this.press("button", "Sign in on this device");
    await this.page.waitForSelector("input[type=search], [role=searchbox], input");
    await this.page.waitForFunction(() => !location.hash);
  }

  press(role: string, name: string): Promise<void> {
    return this.page.locator(named(role, name)).click();
  }

  /** Opens the conversation whose row says this. */
  async open(text: string): Promise<void> {
    const row = await this.page.waitForFunction(
      (wanted) => [...document.querySelectorAll("button")].find((button) => button.textContent?.includes(wanted)), {}, text,
    );
    await (row as unknown as ElementHandle<HTMLElement>).click();
  }

  /** Waits for a text in the open conversation. */
  shown(text: string): Promise<unknown> {
    return this.page.waitForFunction((wanted) => document.querySelector("[role=log]")?.textContent?.includes(wanted) ?? false, {}, text);
  }

  /** What it hears of the other: how high, by the median distance of rising zero crossings, and how loud. Recorded: without a sound card its AudioContext stands still. */
  heard(): Promise<Heard> {
    return this.page.evaluate(async (ms) => {
      const connection = (window as unknown as { connections: RTCPeerConnection[] }).connections.at(-1);
      const track = connection?.getReceivers()[0]?.track;
      if (track === undefined) throw new Error("no call has sound in this page");
      const recorder = new MediaRecorder(new MediaStream([track]));
      const recorded = new Promise<Blob>((resolve) => (recorder.ondataavailable = ({ data }) => resolve(data)));
      recorder.start();
      await new Promise((resolve) => setTimeout(resolve, ms));
      recorder.stop();
      const buffer = await new OfflineAudioContext(1, 48_000, 48_000).decodeAudioData(await (await recorded).arrayBuffer());
      const samples = buffer.getChannelData(0);
      const crossings: number[] = [];
      let power = 0;
      for (let i = 1; i < samples.length; i += 1) {
        const [before, after] = [samples[i - 1] ?? 0, samples[i] ?? 0];
        power += after * after;
        if (before < 0 && after >= 0) crossings.push(i - after / (after - before));
      }
      const periods = crossings.slice(1).map((crossing, i) => crossing - (crossings[i] ?? 0)).sort((one, other) => one - other);
      const median = periods[Math.floor(periods.length / 2)] ?? Infinity;
      return { hz: buffer.sampleRate / median, db: 10 * Math.log10(power / samples.length) };
    }, LISTEN_MS);
  }

  async photograph(name: string): Promise<void> {
    const folder = process.env.WARDLINE_TEST_PICTURES;
    if (folder) await this.page.screenshot({ path: join(folder, `${name}-firefox.png`) });
  }

  async close(): Promise<void> {
    await this.browser.close();
  }
}
