import { defineConfig } from "vitest/config";

// Real nodes and real browsers, one story after the other: two cores are few.
export default defineConfig({
  test: {
    environment: "node",
    include: ["test/browser/**/*.story.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
