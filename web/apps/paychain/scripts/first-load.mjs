// Holds the built app to its size: what the page itself names, as browsers get it, is at most 120 kB of brotli. What is
// loaded behind the first page (menus, dialogs, toasts, the wallet, chat, notifications) is told too, and bounds the whole at
// 220 kB.

import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));

/** Bytes; one kB is 1,000 of them. */
const FIRST_LOAD = 120_000;
const WHOLE = 220_000;

const size = async (path) => brotliCompressSync(await readFile(DIST + path)).byteLength;
const sum = async (paths) => (await Promise.all(paths.map(size))).reduce((total, bytes) => total + bytes, 0);

const page = await readFile(`${DIST}index.html`, "utf8");
const named = [...page.matchAll(/(?:src|href)="\/(app\/[^"]+\.(?:js|css))"/g)].map((match) => match[1]);
const all = (await readdir(`${DIST}app`))
  .filter((name) => /\.(js|css)$/.test(name))
  .map((name) => `app/${name}`);

const first = await sum(["index.html", ...named]);
const whole = await sum(["index.html", ...all]);
console.log(`first load ${(first / 1000).toFixed(1)} kB of ${FIRST_LOAD / 1000}: ${named.join(", ")}`);
console.log(`whole app  ${(whole / 1000).toFixed(1)} kB of ${WHOLE / 1000}: ${all.length} files`);
if (named.length === 0) throw new Error("the page names no files");
if (first > FIRST_LOAD || whole > WHOLE) process.exitCode = 1;
