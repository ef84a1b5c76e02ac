import { defineConfig } from "tsdown";

export default defineConfig({
  entry: { index: "src/index.ts", elements: "src/elements/define.ts" },
  format: "esm",
  platform: "neutral",
  target: "es2022",
  dts: true,
  minify: false,
  outExtensions: () => ({ js: ".js", dts: ".d.ts" }),
});
