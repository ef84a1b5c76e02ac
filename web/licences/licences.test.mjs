// What the licence check takes and refuses. The packages are small directories of the test's own.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

import { faults, SHIPPED, TOOLS } from "./check.mjs";
import { isAllowed } from "./expression.mjs";

const made = [];

/** A workspace on the disk: paths of packages, and their package.json without the name. */
function workspace(packages) {
  const root = mkdtempSync(join(tmpdir(), "fanfare-licences-"));
  made.push(root);
  for (const [path, content] of Object.entries(packages)) {
    mkdirSync(join(root, path), { recursive: true });
    const name = path.replace(/^.*node_modules\//, "").replace(/^packages\//, "");
    writeFileSync(
      join(root, path, "package.json"),
      JSON.stringify({ name: name || "root", version: "1.0.0", ...content }),
    );
  }
  return root;
}

const told = (packages) => faults(workspace(packages)).lines;

describe("licences", () => {
  after(() => {
    for (const root of made) rmSync(root, { recursive: true });
  });

  it("an expression is allowed where one choice is allowed whole", () => {
    for (const expression of [
      "MIT",
      "(MIT)",
      "MIT OR GPL-3.0-only",
      "GPL-3.0-only OR MIT AND ISC",
      "(MIT OR GPL-3.0-only) AND Apache-2.0",
      "(BSD-2-Clause OR (MIT AND CC0-1.0))",
    ]) {
      assert.ok(isAllowed(expression, SHIPPED), expression);
    }
  });

  it("everything else is not: copyleft, another letter, half an expression, no expression", () => {
    for (const expression of [
      "GPL-3.0-only",
      "AGPL-3.0-or-later",
      "LGPL-2.1",
      "MIT AND GPL-3.0-only",
      "(MIT OR ISC) AND GPL-3.0-only",
      "Apache-2.0 WITH LLVM-exception",
      "mit",
      "MIT ISC",
      "MIT OR",
      "OR MIT",
      "(MIT",
      "MIT)",
      "",
      "SEE LICENSE IN LICENSE.md",
      "UNLICENSED",
      undefined,
      null,
      { type: "MIT" },
    ]) {
      assert.ok(!isAllowed(expression, SHIPPED), JSON.stringify(expression));
      assert.ok(!isAllowed(expression, TOOLS), JSON.stringify(expression));
    }
  });

  it("a tool may have a licence that what users get may not", () => {
    const packages = {
      "": { devDependencies: { tool: "1" } },
      "node_modules/tool": { license: "MPL-2.0", dependencies: { data: "1" } },
      "node_modules/data": { license: "CC-BY-4.0" },
    };
    assert.deepEqual(told(packages), []);
    const shipped = { ...packages, "apps/shop": { dependencies: { tool: "1" } } };
    assert.deepEqual(told(shipped), [
      'tool 1.0.0: "MPL-2.0" is not allowed for what users get (from apps/shop)',
      'data 1.0.0: "CC-BY-4.0" is not allowed for what users get (from tool)',
    ]);
  });

  it("what a dependency brings along is looked at as deep as it goes, each version by itself", () => {
    const lines = told({
      "": {},
      "packages/client": { dependencies: { one: "1" } },
      "node_modules/one": { license: "MIT", dependencies: { two: "2" } },
      "node_modules/one/node_modules/two": { version: "2.0.0", license: "GPL-2.0-only" },
      "node_modules/two": { license: "MIT" },
    });
    assert.deepEqual(lines, ['two 2.0.0: "GPL-2.0-only" is not allowed for what users get (from one)']);
  });

  it("a package without a licence is named, and so is one that is not installed", () => {
    const lines = told({
      "": { devDependencies: { silent: "1" } },
      "apps/shop": { dependencies: { gone: "1" }, optionalDependencies: { elsewhere: "1" } },
      "node_modules/silent": {},
    });
    assert.deepEqual(lines, [
      "not installed: gone, which apps/shop needs",
      "silent 1.0.0: no licence is not allowed for what builds and tests (from root)",
    ]);
  });

  it("the old forms of package.json are understood", () => {
    const packages = {
      "": { devDependencies: { old: "1", older: "1" } },
      "node_modules/old": { license: { type: "MIT", url: "x" } },
      "node_modules/older": { licenses: [{ type: "GPL-2.0-only" }, { type: "BSD-3-Clause" }] },
    };
    assert.deepEqual(told(packages), []);
  });

  it("the workspaces' own packages are not judged, but what they bring along is", () => {
    const root = workspace({
      "": {},
      "apps/shop": { dependencies: { client: "1" } },
      "packages/client": { license: "our own words", peerDependencies: { peer: "1", absent: "1" } },
      "node_modules/peer": { license: "GPL-3.0-only" },
    });
    symlinkSync(join(root, "packages/client"), join(root, "node_modules/client"));
    assert.deepEqual(faults(root).lines, [
      'peer 1.0.0: "GPL-3.0-only" is not allowed for what users get (from client)',
    ]);
  });
});
