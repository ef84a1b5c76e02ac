// The stack: all containers of docker-compose.yml as processes of this machine, each with an address of loopback of its own, under the
// names that they have for each other. Started in the order of `depends_on`, stopped in the other. Not here: what a single one is
// (container.mjs), what the shell calls (main.mjs).

import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { readCompose } from "./compose.mjs";
import { Container, writeScript } from "./container.mjs";
import { rootScript } from "./root.mjs";

/** How long a container may take until it is healthy, milliseconds: a debug build on a busy machine, and a database that is made. */
const START = 120_000;

/** What a published port is where nobody says otherwise: those that need no rights, on loopback alone. */
export const PORTS = {
  HTTPS_PORT: 8443,
  HTTP_PORT: 8088,
  HUB_PORT: 8080,
  HUB_PORT_2: 8000,
  DASHBOARD_PORT: 5000,
  RECEIPTS_PORT: 8765,
};

/** The parts of loopback's addresses that stacks are given: 127.64.0 to 127.127.255. */
const NETWORKS = [64, 127];

/** The place and port of a network by which a stack says that the network is taken. */
const CLAIM = { place: 254, port: 1_065 };

/** One stack. */
export class Stack {
  directory;
  compose;
  containers = new Map();
  variables;
  #programs;
  #told;
  #network;
  #claim = null;
  #listeners = [];
  #asRoot = process.getuid() === 0;

  /**
   * `root`: the repository; `directory`: where data, keys and logs are kept; `programs`: where the programs were built; `variables`: as in
   * `.env`; `rules`: a text that is put behind the hubs' configuration; `unlimited`: nginx counts nobody's requests; `settings`: further
   * variables of containers, by service (these three are for tests).
   */
  constructor({
    root,
    directory,
    programs,
    variables = {},
    profiles = [],
    rules = "",
    unlimited = false,
    settings = {},
    told = console.log,
  }) {
    // The kernel's options for layers are separated by these.
    if (/[,:\\\n]/.test(directory))
      throw new Error(`${directory} has a comma, a colon or a backslash in it; take another`);
    this.directory = directory;
    this.#programs = programs;
    this.#told = told;
    this.root = root;
    this.variables = { ...variables, SECRETS: join(directory, "secrets") };
    this.rules = rules;
    this.unlimited = unlimited;
    this.settings = settings;
    this.compose = readCompose(join(root, "docker-compose.yml"), { variables: this.variables, profiles });
  }

  /** The address of a service, or of a name that it has. */
  address(name) {
    const found = [...this.compose.containers.values()].find(({ names }) => names.includes(name));
    return `${this.#network}.${found.place}`;
  }

  /** Makes what is missing, claims a network, and knows all containers; starts none. */
  async prepare() {
    for (const name of ["", "containers", "logs", "volumes"])
      mkdirSync(join(this.directory, name), { recursive: true });
    chmodSync(this.directory, 0o711);
    execFileSync("bash", [join(this.root, "docker/keys.sh"), join(this.directory, "secrets")], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    await this.#claimNetwork();
    const hosts = join(this.directory, "hosts");
    const lines = [...this.compose.containers.values()].flatMap(({ names, place }) =>
      names.map((name) => `${this.#network}.${place}\t${name}`),
    );
    writeFileSync(hosts, `127.0.0.1\tlocalhost\n${lines.join("\n")}\n`);
    for (const container of this.compose.containers.values())
      this.containers.set(container.service, this.#make(container, hosts));
  }

  /** The network stays the same from start to start, where nobody else has it. */
  async #claimNetwork() {
    const file = join(this.directory, "network");
    const before = existsSync(file) ? readFileSync(file, "utf8").trim() : null;
    for (let tries = 0; tries < 200; tries += 1) {
      const network =
        tries === 0 && before
          ? before
          : `127.${randomInt(NETWORKS[0], NETWORKS[1] + 1)}.${randomInt(0, 256)}`;
      this.#claim = await listening(createServer(), CLAIM.port, `${network}.${CLAIM.place}`).catch(
        () => null,
      );
      if (this.#claim === null) continue;
      this.#network = network;
      writeFileSync(file, `${network}\n`);
      return;
    }
    throw new Error("no network of loopback is free");
  }

  #make(container, hosts) {
    const base = join(this.directory, "containers", container.service);
    mkdirSync(base, { recursive: true });
    const copies = join(this.directory, "copies", container.service);
    rmSync(copies, { recursive: true, force: true });
    mkdirSync(copies, { recursive: true });
    const own = `${this.#network}.${container.place}`;
    // Containers listen on all their addresses; here, where all have one network, each on its own.
    const local = (text) =>
      text.replace(/^0\.0\.0\.0(?=$|:)/, own).replace(/^listen_addresses=\*$/, `listen_addresses=${own}`);
    const environment = Object.fromEntries(
      Object.entries({ ...container.environment, ...this.settings[container.service] }).map(
        ([name, value]) => [name, local(value)],
      ),
    );
    const files = [];
    const binds = [];
    for (const { from, source, target } of container.stage?.copies ?? []) {
      if (from === "build" || from === "pstest") {
        if (source.startsWith("/out/"))
          binds.push({ from: this.#program(source.slice(5)), target: join(target, source.slice(5)) });
      } else if (from === "web") {
        binds.push({ from: join(this.root, source.replace(/^\/src\//, "")), target, directory: true });
      } else {
        files.push({ from: this.#edited(join(this.root, source), join(copies, "image"), own), target });
      }
    }
    const volumes = [];
    for (const { source, isFile, target } of container.volumes) {
      if (isFile)
        files.push({ from: this.#edited(source, join(copies, source.split("/").at(-1)), own), target });
      else {
        const from = join(this.directory, "volumes", source);
        mkdirSync(from, { recursive: true, mode: 0o700 });
        volumes.push({ from, target });
      }
    }
    const secrets = container.secrets.map(({ source, target }) => ({
      from: this.compose.secrets.get(source),
      target,
    }));
    const script = join(this.directory, "containers", `${container.service}.sh`);
    const postgres = container.image === "postgres" ? postgresPrograms() : null;
    let command = container.command.map(local);
    if (postgres) command = ["bash", "/docker-entrypoint.sh", ...command];
    if (postgres)
      files.push({ from: join(this.root, "web/stack/postgres.sh"), target: "/docker-entrypoint.sh" });
    const text = rootScript({
      container,
      base,
      command,
      environment,
      files,
      binds,
      volumes,
      secrets,
      hosts,
      asRoot: this.#asRoot,
      extraPath: postgres,
    });
    writeScript(script, text);
    const log = join(this.directory, "logs", `${container.service}.log`);
    const withPath = {
      PATH: `${postgres ? `${postgres}:` : ""}/usr/local/bin:/usr/bin:/bin`,
      ...environment,
    };
    return new Container({
      container,
      script,
      log,
      asRoot: this.#asRoot,
      environment: withPath,
      told: this.#told,
    });
  }

  #program(name) {
    return name === "pstest" ? join(this.#programs, "../pstest/pstest") : join(this.#programs, name);
  }

  /** A copy of a file or a directory in which what listens on all addresses listens on its own, and nothing else is different. */
  #edited(from, to, own) {
    cpSync(from, to, { recursive: true, dereference: true });
    const edit = (file) => {
      let text = readFileSync(file, "utf8");
      if (file.endsWith("redis.conf")) text = text.replace(/^bind \*$/m, `bind ${own}`);
      if (file.endsWith("hub.toml")) text = `${text}\n${this.rules}`;
      if (file.endsWith(".conf")) {
        text = text.replace(/^(\s*listen\s+)(\d+)\b/gm, `$1${own}:$2`);
        const https = this.variables.HTTPS_PORT;
        if (https) text = text.replace(/^(\s*set \$public_port )"";/m, `$1":${https}";`);
        if (this.unlimited) text = text.replace(/^(geo \$is_unlimited \{\n\s*default) 0;/m, "$1 1;");
      }
      writeFileSync(file, text);
    };
    const walk = (path) => {
      try {
        for (const name of readdirSync(path)) walk(join(path, name));
      } catch {
        edit(path);
      }
    };
    walk(to);
    return to;
  }

  /** Starts all, each when those that it waits for are healthy; an error with the end of its log where one does not become so. */
  async start() {
    const started = new Map();
    const up = (service) => {
      if (!started.has(service)) started.set(service, this.#startOne(this.containers.get(service), up));
      return started.get(service);
    };
    // First, since it fails at once where somebody else has a port.
    await this.#publish();
    await Promise.all([...this.containers.keys()].map(up));
  }

  async #startOne(container, up) {
    await Promise.all(container.container.after.map(({ service }) => up(service)));
    container.start();
    if (await container.healthy(START)) return;
    throw new Error(
      `${container.container.name} is not healthy within ${START / 1_000} s; its log ends with\n${container.tail(15)}`,
    );
  }

  /** Published ports: what comes in there goes to the container's. */
  async #publish() {
    for (const container of this.compose.containers.values()) {
      for (const { host, outside, inside } of container.ports) {
        const target = { host: `${this.#network}.${container.place}`, port: inside };
        const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
          const far = connect({ ...target, noDelay: true, allowHalfOpen: true });
          const cut = () => near.destroy() && far.destroy();
          near.on("error", cut).pipe(far);
          far.on("error", cut).pipe(near);
        });
        const listener = await listening(server, outside, host).catch((error) => {
          throw new Error(
            `port ${outside} of ${host} (${container.name}) is not free: ${error.code}; --ports auto takes free ones`,
          );
        });
        this.#listeners.push(listener);
      }
    }
  }

  /** Stops all: first what waits for others. */
  async stop() {
    for (const listener of this.#listeners.splice(0)) {
      listener.close();
    }
    const waited = (service) =>
      [...this.containers.values()].filter(({ container }) =>
        container.after.some((each) => each.service === service),
      );
    const stopped = new Map();
    const down = (service) => {
      if (!stopped.has(service)) {
        const own = this.containers.get(service);
        stopped.set(
          service,
          Promise.all(waited(service).map(({ container }) => down(container.service))).then(() => own.stop()),
        );
      }
      return stopped.get(service);
    };
    await Promise.all([...this.containers.keys()].map(down));
    this.#claim?.close();
    rmSync(join(this.directory, "copies"), { recursive: true, force: true });
    for (const service of this.containers.keys())
      rmSync(join(this.directory, "containers", `${service}.sh`), { force: true });
  }

  /** What people and programs may want to know. */
  state() {
    return [...this.containers.values()].map(({ container, status, pid, starts }) => ({
      service: container.service,
      name: container.name,
      status,
      pid,
      starts,
      address: `${this.#network}.${container.place}`,
      ports: container.ports.map(({ host, outside, inside }) => `${host}:${outside}->${inside}`),
    }));
  }
}

function listening(server, port, host) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, () => resolve(server));
  });
}

/** Where Debian puts the programs of the newest Postgres that is installed. */
function postgresPrograms() {
  const under = "/usr/lib/postgresql";
  const versions = existsSync(under) ? readdirSync(under).map(Number).filter(Number.isFinite) : [];
  if (versions.length === 0) throw new Error("Postgres is missing (apt-get install postgresql)");
  return join(under, String(Math.max(...versions)), "bin");
}
