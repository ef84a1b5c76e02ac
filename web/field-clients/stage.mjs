// What the tests of field clients need: `fanfare up` with its ports known, the scripts as child processes, and @fanfare/server out of
// its sources. Not here: what clients should see.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { freePort } from "../browser-tests/ports.mjs";
import { startFanfare, token } from "../browser-tests/server.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));

/** What tokens of these tests are signed with. */
export const SECRET = "a secret of at least thirty-two bytes";

/** A token of a user. */
export const tokenOf = (user) => token(SECRET, { user_id: user });

/** How long anything may take that should be there in a moment: a debug build on a busy machine. */
const PATIENCE_MS = 30_000;

/** `fanfare up`, with the addresses of its worlds as their clients have them; they stay over a restart. */
export async function startUp(environment = {}) {
  const dashboard = await freePort();
  const receipts = await freePort();
  const server = await startFanfare({
    JWT_SECRET: SECRET,
    DASHBOARD_PORT: String(dashboard),
    RECEIPTS_PORT: String(receipts),
    ...environment,
  });
  const main = `ws://localhost:${new URL(server.url).port}`;
  server.worlds = {
    channels: `${main}/ws`,
    dashboard: `ws://localhost:${dashboard}`,
    dashboardOnMain: `${main}/`,
    tasks: `${main}/ws/notifications/`,
    receipts: `ws://localhost:${receipts}`,
  };
  return server;
}

/** A script of this directory as a child process, run as its users run it. */
export class Script {
  #child;
  #lines = [];
  #errors = "";
  #waiting = new Set();
  #ended;

  constructor(name, args, environment = {}) {
    const { PATH, HOME } = process.env;
    this.#child = spawn(programFor(name), [`${HERE}${name}`, ...args], {
      env: { PATH, HOME, PYTHONIOENCODING: "utf-8", NO_PROXY: "*", ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let rest = "";
    this.#child.stdout.setEncoding("utf8").on("data", (text) => {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop();
      this.#lines.push(...lines);
      for (const look of this.#waiting) look();
    });
    this.#child.stderr.on("data", (bytes) => {
      this.#errors += bytes;
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on("close", (code) => resolve(code));
      this.#child.on("error", reject);
    });
    this.#ended.catch(() => undefined);
  }

  /** What it has printed so far. */
  get lines() {
    return [...this.#lines];
  }

  /** The first so many lines that begin with `word`, once they are there. */
  async printed(word, count = 1) {
    const found = () => this.#lines.filter((line) => line.split(" ")[0] === word);
    await new Promise((resolve, reject) => {
      const failed = (why) => {
        settle();
        reject(new Error(`${why}; wanted ${count} × ${word}:\n${this.#lines.join("\n")}\n${this.#errors}`));
      };
      const timer = setTimeout(() => failed("it was not printed in time"), PATIENCE_MS);
      const look = () => {
        if (found().length < count) return;
        settle();
        resolve();
      };
      const settle = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      this.#ended.then(() => failed("the script ended"), failed);
      look();
    });
    return found().slice(0, count);
  }

  /** The JSON behind the first so many lines that begin with `word`. */
  async frames(word, count = 1) {
    return (await this.printed(word, count)).map((line) => JSON.parse(line.slice(word.length + 1)));
  }

  /** Lets it stand still: it neither reads nor connects, and its timers wait. */
  pause() {
    this.#child.kill("SIGSTOP");
  }

  /** Lets it go on. */
  resume() {
    this.#child.kill("SIGCONT");
  }

  /** Waits until it ends by itself; its exit code, and what it complained of. */
  async end() {
    return { code: await this.#ended, errors: this.#errors };
  }

  /** Ends it. */
  async stop() {
    this.#child.kill("SIGKILL");
    await this.#ended.catch(() => undefined);
  }
}

function programFor(name) {
  if (!name.endsWith(".py")) return process.execPath;
  const python = `${TARGET}/python-venv/bin/python`;
  if (!existsSync(python)) throw new Error(`${python} is missing: scripts/python env`);
  return python;
}

/** `@fanfare/server`, out of its sources. */
export async function serverPackage() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../packages/server/src/index.ts", import.meta.url))],
    bundle: true,
    format: "esm",
    platform: "node",
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
