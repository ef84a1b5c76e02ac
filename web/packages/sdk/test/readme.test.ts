// The README says what the types say: every option, state and reason is in it, nothing else is in its tables, and its code compiles.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { faultsOfBlocks } from "./readme-blocks.js";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const readme = read("../README.md");
const types = read("../src/types.ts");

/** What stands in backquotes in the first column of a section's tables. */
function column(section: string, table = 0): string[] {
  const text = readme.split(`\n## ${section}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = text.split(/\n\|---.*\n/)[table + 1]?.split("\n\n")[0] ?? "";
  return rows
    .split("\n")
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));
}

const within = (start: string, end: string) => types.split(start)[1]?.split(end)[0] ?? "";

test("it names every option", () => {
  const options = [...within("interface ClientOptions {", "\n}").matchAll(/^ {2}(\w+)\??:/gm)].map(
    ([, name]) => name,
  );
  expect(options.length).toBeGreaterThan(10);
  expect(column("Options").sort()).toEqual(options.sort());
});

test("it names every state and every reason", () => {
  const states = [...within("type ConnectionState =", "\n\n/**").matchAll(/status: "(\w+)"/g)].map(
    ([, name]) => name,
  );
  expect(column("States").sort()).toEqual(states.sort());
  const reasons = [...within("type ReasonCode =", ";").matchAll(/"(\w+)"/g)].map(([, name]) => name);
  expect(reasons.length).toBeGreaterThan(15);
  expect(column("States", 1).sort()).toEqual(reasons.sort());
});

test("each block of its code compiles as it stands", { timeout: 60_000 }, () => {
  const ambient = `
    declare module "@react-native-community/netinfo" {
      const NetInfo: { addEventListener(heard: (state: { isConnected: boolean | null }) => void): () => void };
      export default NetInfo;
    }
    declare module "react-native" {
      const AppState: { addEventListener(type: "change", heard: (state: string) => void): { remove(): void } };
      export { AppState };
    }`;
  expect(faultsOfBlocks(new URL("../README.md", import.meta.url), ambient)).toEqual([]);
});
