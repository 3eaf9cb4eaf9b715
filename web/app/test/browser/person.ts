// One person at one page: what people do, by the names that a screen reader says.
import type { Locator, Page } from "playwright-core";

export class Person {
  constructor(readonly page: Page) {}

  /** Finds or makes the direct conversation. */
  async openDirect(name: string): Promise<void> {
    await this.page.getByRole("button", { name: "New conversation" }).first().click();
    await this.page.getByRole("menuitem", { name: "New conversation" }).click();
    await this.page.getByRole("button", { name }).first().click();
    await this.composer(name).waitFor();
  }

  /** Opens a conversation in which this person only reads. */
  async look(name: string): Promise<void> {
    await this.row(name).click();
    await this.page.getByRole("heading", { level: 1, name }).waitFor();
  }

  /** Opens a conversation of the list. */
  async open(name: string): Promise<void> {
    await this.row(name).click();
    await this.composer(name).waitFor();
  }

  row(name: string): Locator {
    return this.page.getByRole("button", { name: new RegExp(name) }).first();
  }

  /** Where the message to them is written; without a name, to whoever is on the screen. */
  composer(name = ""): Locator {
    return this.page.getByRole("textbox", { name: `Message to ${name}` });
  }

  async write(text: string): Promise<void> {
    await this.composer().fill(text);
    await this.page.keyboard.press("Enter");
  }

  /** A message on the screen, in the open conversation. */
  message(text: string): Locator {
    return this.page.getByRole("log").getByText(text, { exact: true });
  }

  /** What the ticks of an own message say. */
  async ticks(text: string): Promise<string | null> {
    const bubble = this.page.getByRole("log").locator("[data-own]").filter({ hasText: text });
    return bubble.getByRole("img").last().getAttribute("aria-label");
  }

  /** What the browser hears of the other: the loudest frequency in Hz and its level in dB. */
  heard(): Promise<Heard> {
    return this.page.evaluate(listen);
  }

  /** What the page shows of the other: the picture's size, how bright it is (0 to 255), and the share of its points that move within half a second. */
  seen(): Promise<Seen> {
    return this.page.getByLabel(/^Picture of/).first().evaluate(watch, null);
  }

  /** The same of what the connection brings, whatever the page makes of it. */
  arrives(): Promise<Seen> {
    return this.page.evaluateHandle(async () => {
      const connection = (window as unknown as { connections: RTCPeerConnection[] }).connections.at(-1);
      const track = connection?.getReceivers()[1]?.track;
      if (track === undefined) throw new Error("no call has a picture in this page");
      const video = document.createElement("video");
      video.muted = true;
      video.srcObject = new MediaStream([track]);
      void video.play();
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      return video;
    }).then((video) => video.evaluate(watch, null));
  }
}

export interface Heard {
  hz: number;
  db: number;
}

/** Run in a page with a call: listens for a second and a half. */
export async function listen(): Promise<Heard> {
  const connection = (window as unknown as { connections: RTCPeerConnection[] }).connections.at(-1);
  const track = connection?.getReceivers()[0]?.track;
  if (track === undefined) throw new Error("no call has sound in this page");
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 32_768;
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const loudest = levels.reduce((best, level, i) => (level > (levels[best] ?? -Infinity) ? i : best), 1);
  await context.close();
  return { hz: (loudest * context.sampleRate) / analyser.fftSize, db: levels[loudest] ?? -Infinity };
}

export interface Seen {
  width: number;
  height: number;
  brightness: number;
  moving: number;
}

/** Run in a page: looks at a video twice. */
export async function watch(element: Element): Promise<Seen> {
  const video = element as HTMLVideoElement;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [160, 120];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no canvas");
  const look = () => {
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    return context.getImageData(0, 0, canvas.width, canvas.height).data;
  };
  const before = look();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const after = look();
  const points = canvas.width * canvas.height;
  let [light, moved] = [0, 0];
  for (let at = 0; at < after.length; at += 4) {
    const brightness = (data: Uint8ClampedArray) => ((data[at] ?? 0) + (data[at + 1] ?? 0) + (data[at + 2] ?? 0)) / 3;
    light += brightness(after);
    if (Math.abs(brightness(after) - brightness(before)) > 8) moved += 1;
  }
  return { width: video.videoWidth, height: video.videoHeight, brightness: light / points, moving: moved / points };
}

/** Run in a page before its own scripts: keeps its peer connections where `heard` finds them. */
export function keepConnections(): void {
  const Original = RTCPeerConnection;
  const connections: RTCPeerConnection[] = [];
  Object.assign(window, { connections });
  window.RTCPeerConnection = class extends Original {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      connections.push(this);
    }
  };
}
