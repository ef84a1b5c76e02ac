// The README says what the types say: its code compiles, and its tables have every option, error and call.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { faultsOfBlocks } from "../../sdk/test/readme-blocks.js";
import * as offered from "../src/index.js";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const readme = read("../README.md");

/** What stands in backquotes in the first column of a section's table. */
function column(section: string): string[] {
  const text = readme.split(`\n## ${section}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = text.split(/\n\|---.*\n/)[1]?.split("\n\n")[0] ?? "";
  return rows
    .split("\n")
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)/g)].map(([, name = ""]) => name))
    .sort();
}

test("it names every option, every error and every call", () => {
  const within = (file: string, start: string) => read(file).split(start)[1]?.split("\n}")[0] ?? "";
  const types = ["interface FanfareOptions extends ServerOptions {", "interface ServerOptions {"];
  const members = types.map((start) => within("../src/types.ts", start)).join();
  const options = [...members.matchAll(/^ {2}(\w+)\?:/gm)];
  expect(options.length).toBeGreaterThan(7);
  expect(column("Options")).toEqual(options.map(([, name]) => name).sort());
  const errors = read("../src/errors.ts").split("type FanfareErrorCode =")[1]?.split(";")[0] ?? "";
  expect(column("Errors")).toEqual([...errors.matchAll(/"(\w+)"/g)].map(([, code]) => code).sort());
  const calls = Object.keys(offered).filter((name) => /^(publish|broadcast|notify|createN)/.test(name));
  expect(column("Calls")).toEqual(calls.sort());
});

test("each block of its code compiles as it stands", { timeout: 60_000 }, () => {
  expect(faultsOfBlocks(new URL("../README.md", import.meta.url), "")).toEqual([]);
});
