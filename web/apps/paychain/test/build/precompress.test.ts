// The compressed copies of the built files.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { precompressDirectory } from "../../build/precompress";

it("stand beside text of at least 1 KiB, and hold the same", async () => {
  const directory = await mkdtemp(join(tmpdir(), "precompress-"));
  try {
    await mkdir(join(directory, "app"));
    const text = "const a = 1;\n".repeat(200);
    await writeFile(join(directory, "app", "large.js"), text);
    await writeFile(join(directory, "app", "small.css"), "a{}");
    await writeFile(join(directory, "picture.png"), new Uint8Array(4096));
    await precompressDirectory(directory);
    expect((await readdir(directory, { recursive: true })).sort()).toEqual([
      "app",
      "app/large.js",
      "app/large.js.br",
      "app/large.js.gz",
      "app/small.css",
      "picture.png",
    ]);
    const copy = (ending: string) => readFile(join(directory, "app", `large.js.${ending}`));
    expect(brotliDecompressSync(await copy("br")).toString()).toBe(text);
    expect(gunzipSync(await copy("gz")).toString()).toBe(text);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
