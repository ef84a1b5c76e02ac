// Fails where an installed npm package has a licence that we do not take, or none that this understands.
//
//   node licences/check.mjs
//
// The crates' licences are checked by a test of crates/test-kit.

import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { isAllowed } from "./expression.mjs";
import { installed } from "./installed.mjs";

/** Of what users get: keep the notice, and no more. */
export const SHIPPED = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Unlicense",
]);

/** Of what only builds and tests: besides, those that ask something of who passes on the tool or its data itself. */
export const TOOLS = new Set([...SHIPPED, "CC-BY-4.0", "MPL-2.0", "Python-2.0"]);

/**
 * What is wrong, one line each.
 *
 * @param {string} root the directory with the workspace's package.json and node_modules
 */
export function faults(root) {
  const { shipped, tools, missing } = installed(root);
  const strangers = (packages, allowed, use) =>
    packages
      .filter(({ licence }) => !isAllowed(licence, allowed))
      .map(({ name, version, licence, from }) => {
        const told = licence === undefined ? "no licence" : JSON.stringify(licence);
        return `${name} ${version}: ${told} is not allowed for what ${use} (from ${from})`;
      });
  return {
    counts: { shipped: shipped.length, tools: tools.length },
    lines: [
      ...missing.map((line) => `not installed: ${line}`),
      ...strangers(shipped, SHIPPED, "users get"),
      ...strangers(tools, TOOLS, "builds and tests"),
    ],
  };
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { counts, lines } = faults(fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, ""));
  for (const line of lines) console.error(line);
  if (lines.length > 0) process.exitCode = 1;
  else console.log(`licences: ${counts.shipped} packages for users and ${counts.tools} tools are fine`);
}
