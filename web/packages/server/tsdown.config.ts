import { defineConfig } from "tsdown";

export default defineConfig({
  entry: { index: "src/index.ts" },
  // Back ends in the field use `require` as well.
  format: ["esm", "cjs"],
  platform: "node",
  target: "node18.17",
  dts: true,
  minify: false,
  outExtensions: ({ format }) =>
    format === "cjs" ? { js: ".cjs", dts: ".d.cts" } : { js: ".js", dts: ".d.ts" },
});
