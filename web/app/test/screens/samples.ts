// Pictures and a film as a ward would take them, drawn here: real bytes in real formats, and nobody's.

function canvas(width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D] {
  const made = document.createElement("canvas");
  made.width = width;
  made.height = height;
  const context = made.getContext("2d");
  if (!context) throw new Error("no canvas");
  return [made, context];
}

async function file(from: HTMLCanvasElement, name: string, type: string): Promise<File> {
  const blob = await new Promise<Blob | null>((resolve) => from.toBlob(resolve, type, 0.9));
  if (!blob) throw new Error(`no ${type}`);
  return new File([blob], name, { type });
}

function corridorOn(context: CanvasRenderingContext2D, width: number, height: number, shift = 0): void {
  const [x, y] = [width * (0.5 + shift), height * 0.44];
  const fill = (colour: string, ...points: [number, number][]) => {
    context.fillStyle = colour;
    context.beginPath();
    points.forEach(([px, py], at) => (at === 0 ? context.moveTo(px, py) : context.lineTo(px, py)));
    context.fill();
  };
  const [w, h] = [width * 0.1, height * 0.13];
  fill("#e9eef0", [0, 0], [width, 0], [x + w, y - h], [x - w, y - h]);
  fill("#9fb4b6", [0, height], [width, height], [x + w, y + h], [x - w, y + h]);
  fill("#cfdcd8", [0, 0], [x - w, y - h], [x - w, y + h], [0, height]);
  fill("#c2d3d0", [width, 0], [x + w, y - h], [x + w, y + h], [width, height]);
  fill("#f7fbfb", [x - w, y - h], [x + w, y - h], [x + w, y + h], [x - w, y + h]);
  for (const at of [0.15, 0.4, 0.62]) {
    const left = at * (x - w);
    const right = (at + 0.14) * (x - w);
    const edge = (px: number, top: boolean) => (top ? (px / (x - w)) * (y - h) + 0.34 * height * (1 - px / (x - w)) : height - (px / (x - w)) * (height - y - h));
    fill("#0a5a61", [left, edge(left, true)], [right, edge(right, true)], [right, edge(right, false)], [left, edge(left, false)]);
  }
  for (const at of [0.1, 0.35, 0.6]) fill("#fffef2", [width * (0.4 + at * 0.1), at * (y - h)], [width * (0.6 - at * 0.1), at * (y - h)], [width * (0.58 - at * 0.1), (at + 0.08) * (y - h)], [width * (0.42 + at * 0.1), (at + 0.08) * (y - h)]);
  context.lineWidth = width / 110;
  context.strokeStyle = "#d98a3d";
  context.beginPath();
  context.moveTo(width, height * 0.72);
  context.lineTo(x + w, y + h * 0.45);
  context.stroke();
}

/** A landscape photo of a corridor, as large as phones take them. */
export async function corridor(name = "IMG_4711.jpg", width = 4000, height = 3000): Promise<File> {
  const [made, context] = canvas(width, height);
  corridorOn(context, width, height);
  return file(made, name, "image/jpeg");
}

/** An upright one of a chest film on the light box. */
export async function xray(name = "Thorax.jpg"): Promise<File> {
  const [width, height] = [1500, 2000];
  const [made, context] = canvas(width, height);
  context.fillStyle = "#06090b";
  context.fillRect(0, 0, width, height);
  const glow = (x: number, y: number, radius: number, colour: string) => {
    const gradient = context.createRadialGradient(x, y, radius * 0.1, x, y, radius);
    gradient.addColorStop(0, colour);
    gradient.addColorStop(1, "rgba(0,0,0,0)");
    context.fillStyle = gradient;
    context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
  };
  glow(750, 1000, 1000, "rgba(170,190,195,.75)");
  context.fillStyle = "rgba(8,12,14,.72)";
  for (const side of [-1, 1]) {
    context.beginPath();
    context.ellipse(750 + side * 300, 960, 220, 560, side * 0.1, 0, 2 * Math.PI);
    context.fill();
  }
  glow(840, 1200, 380, "rgba(225,235,238,.85)");
  context.strokeStyle = "rgba(215,228,232,.30)";
  context.lineWidth = 34;
  for (let rib = 0; rib < 9; rib += 1) {
    for (const side of [-1, 1]) {
      context.beginPath();
      context.moveTo(750 + side * 40, 470 + rib * 120);
      context.quadraticCurveTo(750 + side * 520, 400 + rib * 120, 750 + side * 560, 720 + rib * 110);
      context.stroke();
    }
  }
  context.fillStyle = "rgba(232,240,242,.55)";
  for (let bone = 0; bone < 15; bone += 1) context.fillRect(705, 330 + bone * 92, 90, 70);
  return file(made, name, "image/jpeg");
}

/** A strip of an ECG: lines that a JPEG would blur. */
export async function ecg(name = "EKG.png"): Promise<File> {
  const [width, height] = [1400, 420];
  const [made, context] = canvas(width, height);
  context.fillStyle = "#fff4f0";
  context.fillRect(0, 0, width, height);
  for (let at = 0; at <= width; at += 14) {
    context.fillStyle = at % 70 === 0 ? "#eba79b" : "#f8d9d2";
    context.fillRect(at, 0, 1, height);
    if (at <= height) context.fillRect(0, at, width, 1);
  }
  context.strokeStyle = "#1c2629";
  context.lineWidth = 3;
  context.beginPath();
  for (let x = 0; x < width; x += 2) {
    const beat = (x % 230) / 230;
    const wave = (middle: number, breadth: number, high: number) => high * Math.exp(-(((beat - middle) / breadth) ** 2));
    const y = 250 - wave(0.2, 0.03, 22) + wave(0.31, 0.008, 26) - wave(0.34, 0.012, 180) + wave(0.375, 0.012, 50) - wave(0.6, 0.05, 40);
    if (x === 0) context.moveTo(x, y);
    else context.lineTo(x, y);
  }
  context.stroke();
  return file(made, name, "image/png");
}

/** A lecture as a camera sees it, wide, drawn again and again: somebody beside a board with a curve on it. */
export function lecture(): MediaStream {
  const [made, context] = canvas(1280, 720);
  const draw = () => {
    const wall = context.createLinearGradient(0, 0, 1280, 720);
    wall.addColorStop(0, "#d9e4e4");
    wall.addColorStop(1, "#9fb5b7");
    context.fillStyle = wall;
    context.fillRect(0, 0, 1280, 720);
    context.fillStyle = "#f9fbfb";
    context.fillRect(96, 84, 690, 430);
    context.fillStyle = "#0a5a61";
    context.fillRect(136, 124, 260, 22);
    context.fillStyle = "#b9cccd";
    for (const [at, width] of [380, 330, 400].entries()) context.fillRect(136, 168 + at * 26, width, 10);
    context.strokeStyle = "#a3185c";
    context.lineWidth = 5;
    context.beginPath();
    for (let x = 0; x <= 600; x += 4) {
      const breath = Math.max(0, Math.sin((x / 600) * 6 * Math.PI + performance.now() / 900));
      context.lineTo(140 + x, 460 - 130 * breath ** 0.5);
    }
    context.stroke();
    const figure = (colour: string, ...[x, y, width, height]: [number, number, number, number]) => {
      context.fillStyle = colour;
      context.beginPath();
      context.ellipse(x, y, width, height, 0, 0, 7);
      context.fill();
    };
    figure("#eef3f4", 985, 760, 205, 300);
    figure("#1d7a80", 985, 800, 62, 330);
    figure("#a9785a", 985, 350, 84, 106);
    figure("#4a3a30", 985, 282, 96, 66);
  };
  draw();
  window.setInterval(draw, 100);
  return made.captureStream(10);
}

/** About a second of walking down the corridor, recorded by the browser itself. */
export async function film(name = "Rundgang.webm"): Promise<File> {
  const [made, context] = canvas(640, 360);
  const recorder = new MediaRecorder(made.captureStream(25), { mimeType: "video/webm" });
  const parts: Blob[] = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start(200);
  const bytes = () => parts.reduce((sum, part) => sum + part.size, 0);
  // A busy machine begins to record late.
  for (const began = performance.now(); performance.now() - began < (bytes() < 5000 ? 8000 : 1200); ) {
    corridorOn(context, 640, 360, 0.08 * Math.sin(performance.now() / 300));
    await new Promise(requestAnimationFrame);
  }
  recorder.stop();
  await stopped;
  return new File(parts, name, { type: "video/webm" });
}
