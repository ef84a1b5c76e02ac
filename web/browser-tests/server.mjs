// The real servers as child processes, for tests that need one behind the page. Not here: browsers (browser.mjs).

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.mjs";

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));
const HUB = process.env.WEBSOCKET_SERVER ?? `${TARGET}/debug/websocket-server`;
const FANFARE = process.env.FANFARE ?? `${TARGET}/debug/fanfare`;

/** Starts a hub on a free port; on the same one after a restart. */
export async function startHub(environment = {}) {
  const server = new Server(HUB, [], { PORT: String(await freePort()), ...environment });
  await server.start();
  return server;
}

/** Starts `fanfare up` with a directory of its own; on one port, also after a restart. */
export async function startFanfare(environment = {}, args = []) {
  const directory = mkdtempSync(join(tmpdir(), "fanfare-browser-"));
  const port = String(await freePort());
  const server = new Server(FANFARE, ["up", ...args], {
    PORT: port,
    FANFARE_DATA: directory,
    ...environment,
  });
  server.directory = directory;
  await server.start();
  return server;
}

/** A server on this machine that a test may end and start again. */
class Server {
  /** Where it answers, with a slash at the end. */
  url = "";
  directory = null;
  #program;
  #args;
  #environment;
  #child = null;
  #ended = null;
  #log = "";

  constructor(program, args, environment) {
    this.#program = program;
    this.#args = args;
    this.#environment = environment;
  }

  /** All that it has said. */
  log() {
    return this.#log;
  }

  /** Starts it, and waits for its ready line. */
  async start() {
    const { PATH, HOME } = process.env;
    const child = spawn(this.#program, this.#args, {
      env: { PATH, HOME, HOST: "127.0.0.1", ...this.#environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#ended = new Promise((resolve, reject) => {
      child.on("exit", (code, signal) => resolve({ code, signal }));
      child.on("error", reject);
    });
    const from = this.#log.length;
    this.url = await new Promise((resolve, reject) => {
      child.stdout.on("data", (bytes) => {
        this.#log += bytes;
        const ready = this.#log.slice(from).match(/listening on (http:\/\/\S+)/);
        if (ready) resolve(`${ready[1].replace(/\/$/, "")}/`);
      });
      child.stderr.on("data", (bytes) => {
        this.#log += bytes;
      });
      this.#ended.then(
        (end) => reject(new Error(`the server ended (${JSON.stringify(end)}):\n${this.#log}`)),
        reject,
      );
    });
  }

  /** Publishes, and gives the answer's JSON; anything but 200 is an error. */
  async publish(publication) {
    return this.#post("broadcast", publication);
  }

  /** Publishes several, in order. */
  async publishAll(publications) {
    return this.#post("broadcast/batch", publications);
  }

  async #post(path, body) {
    const answer = await fetch(`${this.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.json();
  }

  /** What `/stats` says. */
  async stats() {
    return (await fetch(`${this.url}stats`)).json();
  }

  /** Asks it to stop in order; the exit code. */
  async drain() {
    this.#child.kill("SIGTERM");
    return (await this.#ended).code;
  }

  /** Ends it as a power cut would; its data stay. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Ends it, and removes its data. */
  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
    if (this.directory) rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A token of a user, signed with HS256 and good for an hour. */
export function token(secret, claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ exp: Math.floor(Date.now() / 1000) + 3600, ...claims })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}
