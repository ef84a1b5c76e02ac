// Builds the files of /js/ into dist/: classic scripts, each complete in itself, so that a page may take any of them. What they share is
// in each. Readable, in the syntax of 2020, and plain ASCII, as a page of another encoding reads scripts in its own. Beside them, in
// dist/socket.io/, the Socket.IO client, which is not ours (socket-io.mjs).
//
//   node build.mjs

import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { copySocketIo } from "./socket-io.mjs";

export const NAMES = [
  "websocket-client",
  "toast-notifications",
  "dashboard-websocket-init",
  "notification-service",
  "websocket",
  "fanfare-bell",
];

/** Those that are so large that they also stand compressed beside themselves, for the hub to send. */
const COMPRESSED = ["fanfare-bell"];

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Builds all of them into a directory.
 *
 * @param {string} directory
 */
export async function buildScripts(directory) {
  for (const name of NAMES) {
    await build({
      entryPoints: [here(`src/${name}.ts`)],
      outfile: join(directory, `${name}.js`),
      bundle: true,
      format: "iife",
      platform: "browser",
      target: "es2020",
      charset: "ascii",
      // Of the workspace's packages the sources, so that nothing has to be built before.
      conditions: ["fanfare-source"],
      legalComments: "none",
      banner: { js: `// Fanfare: /js/${name}.js. MIT OR Apache-2.0.\n"use strict";` },
      // Fields are set plainly, without the helper that newer semantics need.
      tsconfigRaw: { compilerOptions: { useDefineForClassFields: false, verbatimModuleSyntax: true } },
      logLevel: "warning",
    });
    if (!COMPRESSED.includes(name)) continue;
    const file = join(directory, `${name}.js`);
    const text = readFileSync(file);
    writeFileSync(`${file}.br`, brotliCompressSync(text));
    writeFileSync(`${file}.gz`, gzipSync(text, { level: 9 }));
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await buildScripts(here("dist"));
  copySocketIo(here("dist/socket.io"));
}
