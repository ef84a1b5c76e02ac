// The packages that are installed, and who brings them along: what users get, and what only we use. Not here: licences.

import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * What the workspaces need, found as Node finds it.
 *
 * `shipped` is the closure of the dependencies of `packages/*` and `apps/*`, `tools` that of all development dependencies,
 * without what is shipped anyway. `missing` names what is needed and not installed, one line each.
 *
 * @typedef {{ name: string, version: string, licence: unknown, from: string }} Installed `from`: who asked for it first
 * @param {string} root the directory with the workspace's package.json and node_modules
 * @returns {{ shipped: Installed[], tools: Installed[], missing: string[] }}
 */
export function installed(root) {
  const missing = new Set();
  const members = ["packages", "apps"].flatMap((folder) => directories(join(root, folder)));
  const shipped = new Map();
  for (const member of members) {
    follow(member, ["dependencies", "peerDependencies", "optionalDependencies"], root, shipped, missing);
  }
  const tools = new Map(shipped);
  for (const member of [root, ...members]) follow(member, ["devDependencies"], root, tools, missing);
  const own = new Set(members.map((member) => realpathSync(member)));
  const foreign = (found) => [...found].filter(([path]) => !own.has(path));
  const onlyTools = foreign(tools).filter(([path]) => !shipped.has(path));
  return {
    shipped: foreign(shipped).map(([, entry]) => entry),
    tools: onlyTools.map(([, entry]) => entry),
    missing: [...missing].sort(),
  };
}

/** Adds what `directory` asks for in these parts of its package.json, and whatever that needs, to `found`. */
function follow(directory, parts, root, found, missing) {
  const waiting = [{ directory, parts }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const asking = describe(next.directory);
    for (const part of next.parts) {
      for (const name of Object.keys(asking[part] ?? {})) {
        const path = resolve(name, next.directory, root);
        if (path === undefined) {
          if (isNeeded(asking, part, name)) missing.add(`${name}, which ${asking.name} needs`);
        } else if (!found.has(path)) {
          const { name: title, version, license, licenses } = describe(path);
          const licence = license?.type ?? license ?? joined(licenses);
          found.set(path, { name: title ?? name, version: version ?? "", licence, from: asking.name ?? "" });
          waiting.push({
            directory: path,
            parts: ["dependencies", "peerDependencies", "optionalDependencies"],
          });
        }
      }
    }
  }
}

/** Whether it must be there: what is for other systems only is not installed, and a peer is the user's to bring. */
function isNeeded(asking, part, name) {
  return (part === "dependencies" || part === "devDependencies") && !asking.optionalDependencies?.[name];
}

/** The old form, a list of which one may choose. */
function joined(licenses) {
  if (!Array.isArray(licenses)) return undefined;
  return licenses.map((one) => one?.type ?? one).join(" OR ");
}

/** The directory of the package `name` as somebody in `from` gets it. */
function resolve(name, from, root) {
  for (let directory = from; ; directory = dirname(directory)) {
    const candidate = join(directory, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return realpathSync(candidate);
    if (directory === root || directory === dirname(directory)) return undefined;
  }
}

function describe(directory) {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
}

function directories(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder).map((name) => join(folder, name));
  return entries.filter((path) => existsSync(join(path, "package.json"))).sort();
}
