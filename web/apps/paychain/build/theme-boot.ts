// Puts the script that applies the theme into the page's head, under a name with a hash of its content: files under `/app/`
// are kept for ever by browsers. While the app is worked on, the source itself is served.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const SOURCE = "src/shell/theme-boot.js";

/** The plugin. */
export function themeBoot(): Plugin {
  let script = "";
  let address = `/${SOURCE}`;
  return {
    name: "theme-boot",
    configResolved(config) {
      script = readFileSync(join(config.root, SOURCE), "utf8");
      const hash = createHash("sha256").update(script).digest("hex").slice(0, 8);
      if (config.command === "build") address = `/${config.build.assetsDir}/theme-${hash}.js`;
    },
    generateBundle() {
      this.emitFile({ type: "asset", fileName: address.slice(1), source: script });
    },
    transformIndexHtml() {
      return [{ tag: "script", attrs: { src: address }, injectTo: "head" }];
    },
  };
}
