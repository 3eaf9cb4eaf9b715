// What the browser's camera sees while screens are photographed: drawn here, and handed over as the file that stands for its camera.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "uqr";

/** The camera of one browser. */
export class Camera {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "wardline-camera-"));
    this.file = join(this.folder, "camera.mjpeg");
    /** The file is read anew whenever a page opens the camera. */
    this.arguments = ["--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${this.file}`];
  }

  /** Holds something before it and taps what opens the scanner. */
  async scan(page, html, button, stays = true) {
    const easel = await page.context().browser().newPage({ viewport: { width: 1280, height: 800 } });
    await easel.setContent(`<body style="margin:0;overflow:hidden">${html}`);
    writeFileSync(this.file, await easel.screenshot({ type: "jpeg", quality: 88 }));
    await easel.close();
    await page.context().grantPermissions(["camera"]);
    await (button instanceof RegExp ? page.getByRole("button", { name: button }) : button).click();
    if (stays) await page.locator("[data-looking] video").waitFor();
  }

  close() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function qr(text, style) {
  const { data, size } = encode(text, { ecc: "M", border: 4 });
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return `<svg viewBox="0 0 ${size} ${size}" style="${style}" shape-rendering="crispEdges"><path d="${path}" fill="#20272a"/></svg>`;
}

/** A sheet of paper on a desk. */
export function sheet(text) {
  return `<div style="position:absolute;inset:0;background:radial-gradient(circle at 30% 20%,#8d7a63,#54452f)"></div>
    <div style="position:absolute;left:370px;top:36px;width:540px;height:760px;transform:rotate(4deg);background:#e2dfd6;box-shadow:0 12px 40px #0008;padding:50px;box-sizing:border-box;font:26px sans-serif;color:#2b2b2b">
      <b>Dr. Carla Rossi</b><br><span style="font-size:18px">Assistenzärztin, Station 2</span>${qr(text, "width:420px;margin:24px 10px;display:block")}
      <div style="font-size:15px">Einmal gültig. Geheim halten.</div></div>`;
}

/** Another device's screen, held in a hand. */
export function screenOf(text) {
  return `<div style="position:absolute;inset:0;background:linear-gradient(120deg,#9aa7a6,#5d6b6c)"></div>
    <div style="position:absolute;left:420px;top:-60px;width:440px;height:900px;transform:rotate(-5deg);background:#d5dddc;border:14px solid #14191b;border-radius:56px;box-shadow:0 18px 50px #0009;display:grid;place-items:center;box-sizing:border-box">
      ${qr(text, "width:370px;background:#e0e2e1;border-radius:10px")}</div>`;
}

/** Not sharp yet: a code that is there and cannot be read. */
export function blurred(html) {
  return `<div style="position:absolute;inset:0;filter:blur(7px)">${html}</div>`;
}
