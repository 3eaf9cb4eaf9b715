// Writes a `.gz` beside each file that shrinks, so that the server need not compress. The same input gives the same bytes on every machine.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const ENDINGS = [".js", ".css", ".svg", ".wasm", ".webmanifest"];
/** RFC 1952 section 2.3: the byte that names the operating system, and its value for "unknown". */
const OS_BYTE = 9;
const OS_UNKNOWN = 255;

function compress(file: string): void {
  const packed = gzipSync(readFileSync(file), { level: 9 });
  packed[OS_BYTE] = OS_UNKNOWN;
  writeFileSync(`${file}.gz`, packed);
}

function visit(folder: string): void {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) visit(path);
    // index.html is left out: the server fills its nonce in at each request.
    else if (ENDINGS.some((ending) => name.endsWith(ending))) compress(path);
  }
}

export function gzipNeighbours(): Plugin {
  let out = "";
  return {
    name: "wardline-gzip",
    apply: "build",
    configResolved(config) {
      out = config.build.outDir;
    },
    closeBundle() {
      visit(out);
    },
  };
}
