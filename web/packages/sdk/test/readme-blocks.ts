// The code blocks of a README as the compiler sees them. It runs none of them, and knows no package.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** A line that ends in these words must not compile. */
const MUST_NOT = "// a compile error";

/**
 * What the compiler finds wrong in the blocks (`ts`, `tsx`) of a README, a line for each. Each block is a file of its own beside
 * the README, with the package's own settings; what it needs and does not import is declared in `ambient`.
 */
export function faultsOfBlocks(readme: URL, ambient: string): string[] {
  const path = fileURLToPath(readme);
  const directory = dirname(path);
  const files = new Map([[join(directory, "ambient.d.ts"), ambient]]);
  for (const [at, [, code = ""]] of [
    ...readFileSync(path, "utf8").matchAll(/```tsx?\n(.*?)```/gs),
  ].entries()) {
    const text = code.replaceAll(new RegExp(`^.*${MUST_NOT}$`, "gm"), "// @ts-expect-error\n$&");
    files.set(join(directory, `block-${at + 1}.tsx`), `${text}export {};\n`);
  }
  const { config } = ts.readConfigFile(join(directory, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, directory);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name) ?? readFile(name);
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].flatMap((name) => {
    const source = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText }) =>
        `${name.slice(directory.length + 1)}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`,
    );
  });
}
