// The servers under test as processes: started on a port that stays theirs, killed, stopped in order, frozen. Not here: when which of
// that happens (faults.mjs).

import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** How long a start may take, milliseconds: a debug build on a busy machine, and a store to read. */
const START = 60_000;

/** How long an orderly stop may take, milliseconds: the hub's DRAIN_TIMEOUT and a little. */
const STOP = 35_000;

/** One server. */
export class Part {
  name;
  port;
  /** When it was last hit or came back, for whoever asks whether it was there. */
  starts = 0;
  #program;
  #args;
  #environment;
  #log;
  #child = null;
  #ended = null;
  #wanted = false;
  #told;

  /** `told(text)` gets what is wrong: an end that nobody asked for, an exit code that should be 0. */
  constructor({ name, port, program, args = [], environment, directory, told }) {
    this.name = name;
    this.port = port;
    this.#program = program;
    this.#args = args;
    this.#environment = environment;
    this.#log = join(directory, `${name}.log`);
    this.#told = told;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get runs() {
    return this.#child !== null;
  }

  /** Starts it, and waits until it says that it answers. False if it was ended before that; told if it ended by itself. */
  async start({ mayFail = false } = {}) {
    const { PATH, HOME } = process.env;
    const log = openSync(this.#log, "a");
    const child = spawn(this.#program, this.#args, {
      env: { PATH, HOME, HOST: "127.0.0.1", PORT: String(this.port), ...this.#environment },
      stdio: ["ignore", "pipe", log],
    });
    closeSync(log);
    this.#child = child;
    this.#wanted = true;
    this.starts += 1;
    let ready = false;
    const ended = new Promise((resolve) => {
      const end = (code, signal) => {
        if (this.#child === child) this.#child = null;
        if (this.#wanted && this.#ended === ended && !(mayFail && !ready)) {
          this.#told(`${this.name} ended by itself (${signal ?? code}): ${this.tail()}`);
        }
        resolve({ code, signal });
      };
      child.on("exit", end);
      child.on("error", (error) => end(error.message, null));
    });
    this.#ended = ended;
    const said = new Promise((resolve) => {
      let text = "";
      child.stdout.on("data", (bytes) => {
        text = (text + bytes).slice(-4_096);
        if (text.includes("listening on http")) resolve(true);
      });
    });
    ready = await Promise.race([said, ended.then(() => false), pause(START, null, { ref: false })]);
    if (ready === null) throw new Error(`${this.name} did not say that it answers within ${START / 1000} s`);
    return ready;
  }

  /** Ends it as a crash would. */
  async kill() {
    this.#wanted = false;
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  /** Asks it to stop in order, and waits; tells if it does not end with 0. The milliseconds that it took. */
  async terminate() {
    const began = Date.now();
    this.#wanted = false;
    this.#child?.kill("SIGTERM");
    const end = await Promise.race([this.#ended, pause(STOP, null, { ref: false })]);
    if (end === null) {
      this.#told(`${this.name} did not stop within ${STOP / 1000} s of SIGTERM`);
      await this.kill();
    } else if (end.code !== 0) {
      this.#told(`${this.name} ended with ${end.signal ?? end.code} after SIGTERM: ${this.tail()}`);
    }
    return Date.now() - began;
  }

  /** Lets it stand still, as a machine does that is too busy. */
  async freeze(ms) {
    const child = this.#child;
    child?.kill("SIGSTOP");
    await pause(ms);
    child?.kill("SIGCONT");
  }

  /** The end of its log. */
  tail(lines = 4) {
    try {
      return readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-lines).join(" | ").slice(-1_000);
    } catch {
      return "(no log)";
    }
  }
}
