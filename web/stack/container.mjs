// One container as a process: started in a root of its own (root.mjs), watched by its healthcheck, brought back when it ends by itself,
// stopped with its signal and in its time. Not here: the order in which containers start, and what they are (stack.mjs, compose.mjs).

import { spawn } from "node:child_process";
import { closeSync, fchownSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { asUser } from "./root.mjs";

/** The pause before a container that ended by itself is started again: from, doubled up to, milliseconds (Docker: 100 ms to 1 min). */
const AGAIN = [100, 5_000];

/** For how long a container has to run until the pause is the shortest again, milliseconds; Docker's figure. */
const WELL = 10_000;

/** How often it may end while it is waited for. */
const HOPELESS = 6;

/** `starting`, `healthy`, `unhealthy`, `exited`, or `running` where there is no healthcheck. */
export class Container {
  container;
  /** How often it was started. */
  starts = 0;
  /** When it last became healthy after a start, and how its last processes ended. */
  healthySince = null;
  ends = [];
  status = "exited";
  #script;
  #log;
  #asRoot;
  #environment;
  #child = null;
  #ended = Promise.resolve();
  #wanted = false;
  #wait = AGAIN[0];
  #changed = new Set();
  #told;

  /** `script`: the file of root.mjs' text; `told(text)` gets what people should know. */
  constructor({ container, script, log, asRoot, environment, told = () => {} }) {
    this.container = container;
    this.#script = script;
    this.#log = log;
    this.#asRoot = asRoot;
    this.#environment = environment;
    this.#told = told;
  }

  get pid() {
    return this.#child?.pid ?? null;
  }

  get log() {
    return this.#log;
  }

  /** Starts it, and keeps it running. */
  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#wait = AGAIN[0];
    this.#spawn();
  }

  #spawn() {
    const log = openSync(this.#log, "a", 0o600);
    // nginx opens /dev/stderr anew, as its user.
    if (this.#asRoot) fchownSync(log, ...this.container.user.split(":").map(Number));
    const user = this.#asRoot ? [] : ["--user", "--map-current-user", "--keep-caps"];
    const child = spawn("unshare", ["--mount", ...user, "bash", this.#script], {
      stdio: [this.container.open ? "pipe" : "ignore", log, log],
      // A group of its own: Ctrl-C in the terminal is for whoever started it all.
      detached: true,
    });
    closeSync(log);
    const began = Date.now();
    this.#child = child;
    this.starts += 1;
    this.healthySince = null;
    this.#is(this.container.health ? "starting" : "running");
    this.#ended = new Promise((resolve) => {
      const end = (code, signal) => {
        this.#child = null;
        this.ends = [...this.ends.slice(-19), { code, signal, wanted: !this.#wanted, at: Date.now() }];
        this.#is("exited");
        resolve();
        if (!this.#wanted || !this.container.restarts) return;
        if (Date.now() - began > WELL) this.#wait = AGAIN[0];
        const wait = this.#wait;
        this.#wait = Math.min(2 * wait, AGAIN[1]);
        this.#told(`${this.container.name} ended (${signal ?? code}); it is started again in ${wait} ms`);
        setTimeout(() => this.#wanted && this.#child === null && this.#spawn(), wait);
      };
      child.once("exit", end);
      child.once("error", (error) => end(error.message, null));
    });
    if (this.container.health) this.#watch(child);
  }

  async #watch(child) {
    const { interval, retries, startPeriod, startInterval, timeout } = this.container.health;
    const began = Date.now();
    let failures = 0;
    while (this.#child === child) {
      const well = await this.#check(timeout);
      if (this.#child !== child) return;
      if (well) {
        failures = 0;
        if (this.status !== "healthy") {
          this.healthySince = Date.now();
          this.#is("healthy");
        }
      } else {
        failures += 1;
        const early = this.healthySince === null && Date.now() - began < startPeriod;
        if (!early && failures >= retries) this.#is("unhealthy");
      }
      // Not as often as Docker has it, that is: a second is long for somebody who waits here.
      await pause(this.healthySince === null ? Math.min(startInterval, 300) : interval, null, { ref: false });
    }
  }

  /** Runs the healthcheck's command in the container. */
  #check(timeout) {
    return this.run(this.container.health.command, timeout).then((code) => code === 0);
  }

  /** Runs a command inside, as its user; the exit code. */
  run(command, timeout = 30_000) {
    const { pid } = this;
    if (pid === null) return Promise.resolve(1);
    const enter = [
      "--target",
      String(pid),
      "--mount",
      ...(this.#asRoot ? [] : ["--user", "--preserve-credentials"]),
    ];
    const as = asUser(this.container, this.#asRoot);
    const pairs = Object.entries(this.#environment).map(([name, value]) => `${name}=${value}`);
    return new Promise((resolve) => {
      const child = spawn("nsenter", [...enter, ...as, "env", "-i", ...pairs, ...command], {
        stdio: "ignore",
      });
      const timer = setTimeout(() => child.kill("SIGKILL"), timeout);
      const end = (code) => {
        clearTimeout(timer);
        resolve(code);
      };
      child.once("exit", end);
      child.once("error", () => end(127));
    });
  }

  #is(status) {
    this.status = status;
    for (const look of this.#changed) look();
  }

  /** Waits until it is healthy (running, where there is no healthcheck); false if that takes longer, or it ends again and again. */
  async healthy(patience) {
    const well = () => this.status === "healthy" || (this.status === "running" && !this.container.health);
    const before = this.ends.length;
    const hopeless = () => this.ends.length - before >= HOPELESS;
    return (await this.#until(() => well() || hopeless(), patience)) && well();
  }

  #until(holds, patience) {
    if (holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(false), patience);
      const settle = (value) => {
        clearTimeout(timer);
        this.#changed.delete(look);
        resolve(value);
      };
      const look = () => holds() && settle(true);
      this.#changed.add(look);
    });
  }

  /** A signal, and nothing else: what a crash or a frozen machine does. */
  signal(signal) {
    const { pid } = this;
    if (pid !== null) process.kill(pid, signal);
    return pid;
  }

  /** As `docker kill` does with a container that restarts: it ends now, and is back by itself. */
  async crash() {
    const ended = this.#ended;
    // nginx and Postgres have processes below them; all of a container ends at once.
    if (this.pid !== null) endGroup(this.pid);
    await ended;
  }

  /** As `docker stop`: its signal, its time, then the end. The milliseconds that it took. */
  async stop() {
    const began = Date.now();
    this.#wanted = false;
    const { pid } = this;
    if (pid === null) return 0;
    process.kill(pid, "SIGCONT");
    process.kill(pid, this.container.stopSignal);
    const timer = setTimeout(() => {
      this.#told(
        `${this.container.name} did not end within ${this.container.grace} ms of ${this.container.stopSignal}`,
      );
      endGroup(pid);
    }, this.container.grace);
    await this.#ended;
    clearTimeout(timer);
    return Date.now() - began;
  }

  /** The end of its log. */
  tail(lines = 5) {
    try {
      return readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-lines).join("\n").slice(-4_000);
    } catch {
      return "(no log)";
    }
  }
}

/** Ends a container's processes, as the end of its first one does in a container: that one, and all below it. */
function endGroup(pid) {
  for (const each of [pid, ...below(pid)]) {
    try {
      process.kill(each, "SIGKILL");
    } catch {
      // It ended in this moment.
    }
  }
}

/** The processes that a process has started, and those that these have, and so on. */
function below(pid) {
  const children = new Map();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      // The name of the program, in brackets, may have blanks in it.
      const parent = Number(
        readFileSync(`/proc/${name}/stat`, "utf8")
          .replace(/^.*\) /s, "")
          .split(" ")[1],
      );
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It ended in this moment.
    }
  }
  const of = (parent) => (children.get(parent) ?? []).flatMap((child) => [child, ...of(child)]);
  return of(pid);
}

/** Writes a script that others may not read: it has the container's environment in it. */
export function writeScript(file, text) {
  writeFileSync(file, text, { mode: 0o600 });
}
