import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    history: "src/history.ts",
    presence: "src/presence.ts",
    tabs: "src/tabs/index.ts",
    toast: "src/toast/index.ts",
  },
  format: "esm",
  platform: "neutral",
  target: "es2022",
  dts: true,
  minify: false,
  outExtensions: () => ({ js: ".js", dts: ".d.ts" }),
});
