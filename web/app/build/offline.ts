// Tells the service worker which files make up this version: the hashed ones, known only when everything else is built.
import { createHash } from "node:crypto";
import type { Plugin } from "vite";

const MARK = "__WARDLINE_ASSETS__";

export function offlineList(): Plugin {
  return {
    name: "wardline-offline",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      const worker = bundle["sw.js"];
      if (worker?.type !== "chunk") return;
      const files = Object.keys(bundle)
        .filter((name) => name.startsWith("assets/"))
        .map((name) => `/${name}`)
        .sort();
      const version = createHash("sha256").update(files.join("\n")).digest("hex").slice(0, 16);
      const list = JSON.stringify({ version, files });
      if (!worker.code.includes(MARK)) throw new Error("the service worker has no place for its list of files");
      worker.code = worker.code.replace(new RegExp(`["'\`]${MARK}["'\`]`), () => JSON.stringify(list));
    },
  };
}
