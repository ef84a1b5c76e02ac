import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    query: "src/query/index.ts",
    inbox: "src/inbox/index.ts",
    toasts: "src/toasts/index.ts",
    "own-actions": "src/toasts/own-actions.ts",
  },
  format: "esm",
  platform: "neutral",
  target: "es2022",
  dts: true,
  minify: false,
  // Server components may import the package; its hooks run in the browser.
  banner: { js: '"use client";' },
  outExtensions: () => ({ js: ".js", dts: ".d.ts" }),
});
