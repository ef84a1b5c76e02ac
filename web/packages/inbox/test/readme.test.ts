// The README says what the types say: every option and member is in it, and its code compiles.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { faultsOfBlocks } from "../../sdk/test/readme-blocks.js";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const readme = read("../README.md");
const types = read("../src/types.ts");
const within = (start: string) => types.split(start)[1]?.split("\n}")[0] ?? "";

test("it names every option, every member of an inbox and every cause of a failure", () => {
  const options = [
    ...`${within("interface ServiceOptions {")}${within("interface InboxOptions extends ServiceOptions {")}`.matchAll(
      /^ {2}(\w+)\??:/gm,
    ),
  ];
  const members = [...within("interface Inbox {").matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)];
  const causes = [...(types.split("type FailureCode =")[1]?.split(";")[0] ?? "").matchAll(/"(\w+)"/g)];
  expect([options.length, members.length, causes.length]).toEqual([8, 16, 10]);
  for (const [, name] of [...options, ...members, ...causes])
    expect(readme).toMatch(new RegExp(`\`${name}\\b`));
});

test("each attribute of the elements is in it", () => {
  const names = [...read("../src/elements/base.ts").matchAll(/"([a-z-]+)"/g)].map(([, name]) => name);
  for (const name of ["base-url", "token", "live", "locale", "theme", "sound-url"]) {
    expect(names).toContain(name);
    expect(readme).toContain(`| \`${name}\` |`);
  }
});

test("each block of its code compiles as it stands", { timeout: 60_000 }, () => {
  expect(faultsOfBlocks(new URL("../README.md", import.meta.url), "")).toEqual([]);
});
