// How the app is built and served while it is worked on. The page is `/`, what it loads is under `/app/` with hashed names.
// Not here: compressed copies (build/precompress.ts), the theme before the first paint (build/theme-boot.ts).

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { precompress } from "./build/precompress.ts";
import { themeBoot } from "./build/theme-boot.ts";

/** Paths of the back end, all on the page's own origin. */
const API = ["/auth", "/users", "/jobs", "/payments", "/wallet", "/api", "/sounds"];
const server = process.env.FANFARE_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), themeBoot(), precompress()],
  base: "/",
  resolve: {
    // The sibling packages are read from their sources, so that nothing has to be built first.
    conditions: ["fanfare-source", "module", "browser", "development|production"],
  },
  build: {
    target: "es2022",
    assetsDir: "app",
    // Every file has an address of its own: the page's policy and its caching go by files.
    assetsInlineLimit: 0,
    sourcemap: false,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // What the first page and later ones both use would be a dozen small files, which compress worse.
        codeSplitting: {
          groups: [
            {
              name: "shared",
              test: /@tanstack|src.(ui.(time|announce|visually-hidden|media-query)|chat.(attending|conversations|unread))/,
            },
          ],
        },
      },
    },
    // What the page is made of, with the licences that ask to be shown.
    license: { fileName: "app/licences.md" },
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      ...Object.fromEntries(API.map((path) => [path, { target: server }])),
      "/ws": { target: server, ws: true },
    },
  },
});
