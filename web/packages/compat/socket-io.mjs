// The Socket.IO client as its authors publish it, which the hub serves under /socket.io/: copied from the npm package that package.json
// pins, unchanged, with the licences of all that is bundled in it. Beside each script it also stands compressed, for the hub to send.
//
// Not here: our own scripts (build.mjs).

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

/** The files that Socket.IO's own servers serve under these names. */
export const CLIENT_FILES = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"];

/** Where the notices of all that is in them stand. */
export const NOTICES = "licences.md";

const CLIENT = "socket.io-client";

/** Folders of the authors' repository whose packages have another name. */
const NAMES = new Map([["socket.io-component-emitter", "@socket.io/component-emitter"]]);

/**
 * Copies the client, its source maps and its licences into a directory.
 *
 * @param {string} directory
 */
export function copySocketIo(directory) {
  mkdirSync(directory, { recursive: true });
  const found = packages();
  const from = join(found.get(CLIENT), "dist");
  const bundled = new Set([CLIENT]);
  for (const name of CLIENT_FILES) {
    copyFileSync(join(from, name), join(directory, name));
    copyFileSync(join(from, `${name}.map`), join(directory, `${name}.map`));
    const text = readFileSync(join(from, name));
    writeFileSync(join(directory, `${name}.br`), brotliCompressSync(text));
    writeFileSync(join(directory, `${name}.gz`), gzipSync(text, { level: 9 }));
    for (const source of JSON.parse(readFileSync(join(from, `${name}.map`), "utf8")).sources) {
      bundled.add(nameOf(source));
    }
  }
  writeFileSync(join(directory, NOTICES), notices([...bundled].sort(), found));
}

/** The package that a source of a map belongs to: `../build/…` is the client, `../../name/…` lies beside it in its repository. */
function nameOf(source) {
  const [, foreign, own] =
    /^(?:.*\/node_modules\/((?:@[^/]+\/)?[^/]+)|\.\.\/\.\.\/([^/.][^/]*))\//.exec(source) ?? [];
  if (foreign === undefined && own === undefined && !source.startsWith("../build/")) {
    throw new Error(`whose is ${source}?`);
  }
  return foreign ?? NAMES.get(own) ?? own ?? CLIENT;
}

/** The client and all that it needs, each with its directory, as Node finds them. */
function packages() {
  const found = new Map();
  const waiting = [[CLIENT, fileURLToPath(import.meta.url)]];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [name, asking] = next;
    if (found.has(name)) continue;
    const folders = createRequire(asking).resolve.paths(name) ?? [];
    const folder = folders.find((one) => existsSync(join(one, name, "package.json")));
    if (folder === undefined) throw new Error(`${name} is not installed: npm ci`);
    const description = join(folder, name, "package.json");
    found.set(name, dirname(description));
    const { dependencies = {} } = JSON.parse(readFileSync(description, "utf8"));
    waiting.push(...Object.keys(dependencies).map((needed) => [needed, description]));
  }
  return found;
}

/** The notices of what is bundled. Fails where one is not found: it has to be passed on. */
function notices(names, found) {
  const parts = names.map((name) => {
    const directory = found.get(name);
    if (directory === undefined) throw new Error(`${name} is bundled and not installed`);
    const { version, license } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
    const file = readdirSync(directory).find((entry) => /^licen[cs]e(\.\w+)?$/i.test(entry));
    if (file === undefined) throw new Error(`${name} has no licence to be passed on`);
    return `## ${name} - ${version} (${license})\n\n${readFileSync(join(directory, file), "utf8").trim()}\n`;
  });
  return `# Licences\n\nThe Socket.IO client that stands beside this file is made of:\n\n${parts.join("\n")}`;
}
