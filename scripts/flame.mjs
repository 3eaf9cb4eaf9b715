// node scripts/flame.mjs TITLE < (perf script): a flame graph as SVG on standard output. Each box is a function, as wide as its share of the samples; what it
// called stands above it. Names are whole in the tooltip. No script in it: it opens anywhere.
import { createInterface } from "node:readline";

const WIDTH = 1600;
const ROW = 17;
const TOP = 46;
const CHARACTER = 6.4;
/** Boxes narrower than this share are left out. */
const SHARE_MIN = 0.0008;

/** @param {string} name */
const child = (node, name) => {
    let next = node.children.get(name);
    if (!next) node.children.set(name, (next = { name, count: 0, children: new Map() }));
    next.count += 1;
    return next;
};

const readable = (symbol) =>
    symbol
        .replace(/\+0x[0-9a-f]+$/, "")
        .replace(/::h[0-9a-f]{16}$/, "")
        .replace(/\{\{closure\}\}/g, "{closure}")
        .replace(/\.(llvm|isra|part|constprop)\.\d+$/, "");

const root = { name: "all", count: 0, children: new Map() };
let thread = "";
let frames = [];
const finish = () => {
    if (thread && frames.length > 0) {
        root.count += 1;
        let node = child(root, thread);
        for (const frame of frames.reverse()) node = child(node, frame);
    }
    thread = "";
    frames = [];
};
for await (const line of createInterface({ input: process.stdin })) {
    const frame = /^\s+[0-9a-f]+ (.*) \((.*)\)$/.exec(line);
    if (frame) {
        const kernel = frame[2].includes("kernel") ? " [k]" : "";
        if (frame[1] !== "[unknown]") frames.push(readable(frame[1]) + kernel);
    } else if (line.trim() === "") {
        finish();
    } else {
        thread = line.trim().replace(/\s+\d+.*$/, "");
    }
}
finish();
if (root.count === 0) {
    console.error("flame: no samples in what perf said");
    process.exit(1);
}

const escape = (text) => text.replace(/[&<>'"]/g, (c) => `&#${c.charCodeAt(0)};`);
const colour = (name) => {
    let hash = 0;
    for (const c of name) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
    // Blue: kernel. Green: ours. Warm: libraries.
    const hue = name.endsWith(" [k]") ? 205 : /wardline/.test(name) ? 140 : 20 + (hash % 30);
    return `hsl(${hue} 60% ${70 + (hash % 12)}%)`;
};
const boxes = [];
let deepest = 0;
const draw = (node, from, depth) => {
    const share = node.count / root.count;
    if (share < SHARE_MIN) return;
    deepest = Math.max(deepest, depth);
    boxes.push({ name: node.name, from, share, depth });
    let at = from;
    for (const next of [...node.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
        draw(next, at, depth + 1);
        at += next.count / root.count;
    }
};
draw(root, 0, 0);
const height = TOP + (deepest + 1) * ROW + 10;
const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11">`,
    `<rect width="100%" height="100%" fill="#fff"/><text x="10" y="20" font-size="15" font-family="sans-serif">${escape(process.argv[2] ?? "")}</text>`,
    `<text x="10" y="37" font-family="sans-serif" fill="#555">${root.count} samples. Blue: kernel; green: ours; warm: libraries. Names are whole in the tooltip.</text>`,
];
for (const { name, from, share, depth } of boxes) {
    const [x, width, y] = [from * WIDTH, share * WIDTH, height - 10 - (depth + 1) * ROW];
    const room = Math.floor((width - 4) / CHARACTER);
    const text = room < 3 ? "" : name.length <= room ? name : `${name.slice(0, room - 1)}…`;
    out.push(
        `<g><title>${escape(name)}: ${(share * 100).toFixed(1)} %</title><rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(width - 0.4, 0.3).toFixed(1)}" height="${ROW - 1}" fill="${colour(name)}"/>` +
            (text ? `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escape(text)}</text>` : "") +
            `</g>`,
    );
}
out.push("</svg>");
console.log(out.join("\n"));
