// The types that the app's calls are checked with are those of the server that was built from this source.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { DIRECTORY, SERVICES, typesOf } from "../apps/paychain/scripts/api.mjs";

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));
const PROGRAM = process.env.FANFARE ?? `${TARGET}/debug/fanfare`;

describe("generated API types", { timeout: 300_000 }, () => {
  let data;
  let child;
  let origin;

  before(async () => {
    data = await mkdtemp(join(tmpdir(), "fanfare-api-"));
    const { PATH, HOME } = process.env;
    child = spawn(PROGRAM, ["up"], {
      env: { PATH, HOME, HOST: "127.0.0.1", PORT: "0", FANFARE_DATA: data },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    origin = await new Promise((resolve, reject) => {
      const read = (bytes) => {
        log += bytes;
        const ready = log.match(/^listening on (http:\/\/\S+)/m);
        if (ready) resolve(ready[1]);
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.on("error", reject);
      child.on("exit", (code) => reject(new Error(`fanfare ended (${code}):\n${log}`)));
    });
  });

  after(async () => {
    if (child && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
    }
    if (data) await rm(data, { recursive: true, force: true });
  });

  for (const service of SERVICES) {
    it(`the ${service} service's are what npm run api would write`, async () => {
      const kept = await readFile(`${DIRECTORY}${service}.ts`, "utf8");
      assert.equal(
        kept,
        await typesOf(service, origin),
        "run: FANFARE_URL=<address> npm run api -w paychain",
      );
    });
  }
});
