// Writes the list of all files of the client with their hashes, in the form of `sha256sum`. The hash of this list is the client's: it is what a release
// publishes, and `wardline-admin verify-web` compares a node with it. (docs/OPERATIONS.md)
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const NAME = "sha256sums.txt";

function sum(bytes: string | Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function sums(): Plugin {
  let out = "";
  return {
    name: "wardline-sums",
    apply: "build",
    configResolved(config) {
      out = config.build.outDir;
    },
    closeBundle: {
      // After the files that others write at the end.
      order: "post",
      sequential: true,
      handler() {
        const paths = readdirSync(out, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name).slice(join(out, "/").length))
          .filter((path) => path !== NAME)
          .sort();
        writeFileSync(join(out, NAME), paths.map((path) => `${sum(readFileSync(join(out, path)))}  ${path}\n`).join(""));
      },
    },
  };
}
