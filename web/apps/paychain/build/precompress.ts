// Writes compressed copies beside the built files, so that the server only has to pick one: `x.js.br` and `x.js.gz`.
// Not here: which copy is sent; that is the server's, by `Accept-Encoding`.

import { readdir, readFile, writeFile } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Plugin } from "vite";

/** Files whose content is text. Pictures and fonts are compressed already. */
const TEXT = new Set([".html", ".js", ".css", ".svg", ".json", ".md", ".txt", ".webmanifest"]);

/** Below this many bytes the saving is not worth a file. */
const SMALLEST = 1024;

const brotli = promisify(brotliCompress);
const gzipped = promisify(gzip);

/** Compresses every text file of at least 1 KiB in `directory` and below, as strongly as the formats can. */
export async function precompressDirectory(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile() || !TEXT.has(extname(entry.name))) continue;
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path);
    if (content.byteLength < SMALLEST) continue;
    const [small, smaller] = await Promise.all([
      gzipped(content, { level: 9 }),
      brotli(content, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
          [constants.BROTLI_PARAM_SIZE_HINT]: content.byteLength,
          [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
        },
      }),
    ]);
    await writeFile(`${path}.gz`, small);
    await writeFile(`${path}.br`, smaller);
  }
}

/** The plugin: runs once, after everything has been written. */
export function precompress(): Plugin {
  let directory = "";
  return {
    name: "precompress",
    apply: "build",
    configResolved(config) {
      directory = resolve(config.root, config.build.outDir);
    },
    async closeBundle() {
      await precompressDirectory(directory);
    },
  };
}
