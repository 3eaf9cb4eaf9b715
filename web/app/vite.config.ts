import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { gzipNeighbours } from "./build/gzip.ts";
import { offlineList } from "./build/offline.ts";
import { sums } from "./build/sums.ts";

export default defineConfig({
  plugins: [react(), offlineList(), gzipNeighbours(), sums()],
  worker: { format: "es" },
  build: {
    target: "es2022",
    // A data: URL would need a hole in the content security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { main: "index.html", sw: "src/offline/sw.ts" },
      output: {
        // A service worker rules the folder it lies in, so it has no hash and lies at the top.
        entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
      },
    },
  },
  test: {
    environment: "jsdom",
    include: ["test/**/*.test.{ts,tsx}"],
    setupFiles: ["test/setup.ts"],
    css: { modules: { classNameStrategy: "non-scoped" } },
    restoreMocks: true,
    // The first test of a file also pays for loading the whole client.
    testTimeout: 20_000,
  },
});
