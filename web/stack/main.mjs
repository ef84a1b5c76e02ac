// scripts/stack's commands. `up` starts an engine, a process that outlives it, keeps the containers running and takes orders on a socket
// in the stack's directory; the others talk to it. Not here: building (scripts/stack), what a stack is (stack.mjs).

import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs, parseEnv } from "node:util";
import { freePorts } from "../browser-tests/ports.mjs";
import { variablesOf } from "./compose.mjs";
import { PORTS, Stack } from "./stack.mjs";
import { tour } from "./tour.mjs";

/** Where the engine takes orders, in the stack's directory. */
const SOCKET = "engine.sock";

/** How long `up` waits for everything, and `down` for the engine's end, milliseconds. */
const PATIENCE = 300_000;

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    directory: { type: "string", default: join(root, "fanfare-stack") },
    programs: { type: "string" },
    ports: { type: "string", default: "fixed" },
    json: { type: "boolean", default: false },
    follow: { type: "boolean", short: "f", default: false },
  },
});
const [command, ...names] = positionals;
const directory = resolve(options.directory);

const commands = { up, engine, down, status, logs, restart, variables };
try {
  if (commands[command] === undefined)
    throw new Error(`there is no command ${command} (scripts/stack --help)`);
  process.exitCode = (await commands[command]()) ?? 0;
} catch (error) {
  console.error(`scripts/stack: ${error.message}`);
  process.exitCode = 1;
}

/** What the compose file gets for its variables: the environment's, else those of `.env`, else a stack's own. */
async function variables() {
  const file = join(root, ".env");
  const written = existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {};
  const known = [...variablesOf(join(root, "docker-compose.yml")).keys()];
  const given = Object.fromEntries(known.map((name) => [name, process.env[name] || written[name] || ""]));
  const ports = { ...PORTS };
  if (options.ports === "auto") {
    const free = await freePorts(Object.keys(PORTS).length);
    for (const [at, name] of Object.keys(PORTS).entries()) ports[name] = free[at];
  } else if (options.ports !== "fixed") throw new Error("--ports is fixed or auto");
  for (const [name, port] of Object.entries(ports)) {
    if (options.ports === "auto" || !given[name]) given[name] = String(port);
  }
  const https = given.HTTPS_PORT;
  const own = {
    BIND: "127.0.0.1",
    CORS_ALLOWED_ORIGINS: ["localhost", "127.0.0.1"].map((host) => `https://${host}:${https}`).join(","),
    // To try things out, with money to post jobs with and a Pub/Sub to receive from.
    DEMO_BALANCE_USD: "10000",
    PUBSUB_EMULATOR_HOST: "pubsub-emulator:8085",
  };
  return { ...given, ...Object.fromEntries(Object.entries(own).filter(([name]) => !given[name])) };
}

async function up() {
  mkdirSync(directory, { recursive: true });
  if (await asked({ what: "state" }).catch(() => null)) {
    console.error(`scripts/stack: it is up already, from ${directory}`);
    return status();
  }
  rmSync(join(directory, "state.json"), { force: true });
  const settings = { variables: await variables(), programs: realpathSync(options.programs) };
  const log = openSync(join(directory, "engine.log"), "w", 0o600);
  const args = [fileURLToPath(import.meta.url), "engine", "--directory", directory];
  const child = spawn(process.execPath, args, { detached: true, stdio: ["pipe", log, log] });
  child.stdin.end(JSON.stringify(settings));
  let over = null;
  child.once("exit", (code, signal) => {
    over = signal ?? code;
  });
  console.error("Starting Redis, Postgres, the services, two hubs, nginx …");
  const end = Date.now() + PATIENCE;
  while (over === null && !existsSync(join(directory, "state.json")) && Date.now() < end) await pause(100);
  if (over !== null || !existsSync(join(directory, "state.json"))) {
    throw new Error(
      `it did not start:\n${readFileSync(join(directory, "engine.log"), "utf8").slice(-6_000)}`,
    );
  }
  child.unref();
  const { variables: given } = JSON.parse(readFileSync(join(directory, "state.json"), "utf8"));
  console.log(tour({ directory, variables: given, programs: settings.programs, root }));
  // Its engine goes on.
  process.exit(0);
}

/** The process that keeps the stack; its settings come in by standard input. */
async function engine() {
  const { variables: given, programs } = JSON.parse(readFileSync(0, "utf8"));
  const stack = new Stack({ root, directory, programs, variables: given, profiles: ["pubsub", "emulator"] });
  let ending = null;
  const end = (code) => {
    ending ??= stack.stop().then(() => {
      for (const name of ["state.json", SOCKET]) rmSync(join(directory, name), { force: true });
      process.exit(code);
    });
    return ending;
  };
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => end(0));
  try {
    await stack.prepare();
    await stack.start();
  } catch (error) {
    console.log(error.message);
    return end(1);
  }
  const orders = {
    state: () => stack.state(),
    down: () => {
      setImmediate(() => end(0));
      return true;
    },
    restart: async ({ service }) => {
      const container = stack.containers.get(service);
      if (container === undefined) throw new Error(`there is no ${service}`);
      const took = await container.stop();
      container.start();
      if (!(await container.healthy(PATIENCE)))
        throw new Error(`${service} is not healthy again:\n${container.tail()}`);
      return took;
    },
  };
  // A path on its own: a socket's may have no more than 107 characters.
  process.chdir(directory);
  rmSync(SOCKET, { force: true });
  createServer((socket) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", async (bytes) => {
      text += bytes;
      if (!text.endsWith("\n")) return;
      const order = JSON.parse(text);
      const answer = await Promise.resolve()
        .then(() => orders[order.what](order))
        .then((value) => ({ value }))
        .catch((error) => ({ error: error.message }));
      socket.end(JSON.stringify(answer));
    });
  }).listen(SOCKET, () => {
    chmodSync(SOCKET, 0o600);
    // Whole from the moment that it is there: whoever starts the stack waits for it.
    const state = JSON.stringify({ pid: process.pid, variables: given, programs });
    writeFileSync("state.json.part", state, { mode: 0o600 });
    renameSync("state.json.part", "state.json");
  });
  await new Promise(() => {});
}

/** Gives the engine an order, and waits for its answer. */
function asked(order) {
  return new Promise((done, failed) => {
    if (!existsSync(join(directory, SOCKET))) return failed(new Error(`nothing is up from ${directory}`));
    process.chdir(directory);
    const socket = connect(SOCKET, () => socket.write(`${JSON.stringify(order)}\n`));
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes;
    });
    socket.once("error", () => failed(new Error(`nothing is up from ${directory}`)));
    socket.once("end", () => {
      try {
        const { value, error } = JSON.parse(text);
        if (error === undefined) done(value);
        else failed(new Error(error));
      } catch {
        failed(new Error("the engine ended"));
      }
    });
  });
}

async function down() {
  const file = join(directory, "state.json");
  await asked({ what: "down" });
  const end = Date.now() + PATIENCE;
  while (existsSync(file)) {
    if (Date.now() > end) throw new Error(`it does not end; ${join(directory, "engine.log")} may say why`);
    await pause(50);
  }
  console.log(`stopped; keys and data stay in ${directory}`);
}

async function status() {
  const state = await asked({ what: "state" });
  if (options.json) console.log(JSON.stringify(state, null, 2));
  else {
    const rows = state.map(({ name, status: is, address, pid, starts, ports }) => [
      name,
      is,
      address,
      String(pid ?? "-"),
      starts > 1 ? `started ${starts} times` : "",
      ports.join(" "),
    ]);
    const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
    for (const row of rows)
      console.log(
        row
          .map((text, column) => text.padEnd(widths[column]))
          .join("  ")
          .trimEnd(),
      );
  }
  return state.every(({ status: is }) => is === "healthy" || is === "running") ? 0 : 1;
}

/** The services that were named, by their names or those of their containers; all of them where none was. */
async function named() {
  const state = await asked({ what: "state" });
  if (names.length === 0) return state.map(({ service }) => service);
  return names.map((given) => {
    const found = state.find(({ service, name }) => service === given || name === given);
    if (found) return found.service;
    throw new Error(`there is no ${given}; there are ${state.map(({ service }) => service).join(", ")}`);
  });
}

async function logs() {
  const files = (await named()).map((service) => join(directory, "logs", `${service}.log`));
  const follow = options.follow ? ["--follow=name"] : ["--lines=+1"];
  const tail = spawn("tail", [...follow, ...(files.length > 1 ? [] : ["--quiet"]), "--", ...files], {
    stdio: "inherit",
  });
  return new Promise((done) => tail.once("exit", (code) => done(code ?? 0)));
}

async function restart() {
  for (const service of await named()) {
    const took = await asked({ what: "restart", service });
    console.log(`${service}: stopped in ${took} ms, healthy again`);
  }
}
