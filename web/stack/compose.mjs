// docker-compose.yml as data: variables filled in, profiles chosen, each container with all that it needs to be started. What images bring
// along (programs, environment, user) is read from the Dockerfile. So what runs as processes can't drift from what runs in containers.
// Not here: running anything (container.mjs).

import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { load } from "js-yaml";

/** Reads the file: `{name, containers, secrets, volumes}`, containers by the services' names, in the order in which they stand there. */
export function readCompose(file, { variables = {}, profiles = [] } = {}) {
  const root = dirname(resolve(file));
  const document = filled(load(readFileSync(file, "utf8")), variables);
  const stages = readDockerfile(join(root, "Dockerfile"));
  const containers = new Map();
  for (const [service, given] of Object.entries(document.services)) {
    const asked = given.profiles ?? [];
    if (asked.length > 0 && !asked.some((profile) => profiles.includes(profile))) continue;
    containers.set(service, containerOf(service, given, stages, root));
  }
  for (const container of containers.values()) {
    for (const { service } of container.after) {
      if (!containers.has(service))
        throw new Error(`${container.service} waits for ${service}, which is not there`);
    }
  }
  const secrets = new Map(
    Object.entries(document.secrets ?? {}).map(([name, { file: path }]) => [name, resolve(root, path)]),
  );
  return { name: document.name, root, containers, secrets, network: Object.keys(document.networks ?? {}) };
}

/** All variables that the file asks for: their names, each with the value that it has when nobody sets it. */
export function variablesOf(file) {
  const found = new Map();
  for (const [, name, , standard] of readFileSync(file, "utf8").matchAll(VARIABLE)) {
    if (name !== undefined && !found.has(name)) found.set(name, standard ?? "");
  }
  return found;
}

/** `$$`, or `${NAME}` and `${NAME:-value}`: the forms that the file uses. */
const VARIABLE = /\$(?:\$|\{([A-Z_0-9]+)(:-([^}]*))?\})/g;

function filled(value, variables) {
  if (typeof value === "string") {
    return value.replace(VARIABLE, (whole, name, _, standard = "") =>
      whole === "$$" ? "$" : variables[name] || standard,
    );
  }
  if (Array.isArray(value)) return value.map((each) => filled(each, variables));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filled(each, variables)]));
}

function containerOf(service, given, stages, root) {
  const stage = given.build ? stageOf(stages, given.build.target) : null;
  const command = given.command ?? stage?.command ?? [];
  const [network] = Object.values(given.networks ?? {});
  return {
    service,
    name: given.container_name ?? service,
    /** Our image by its stage; another by its name, such as `redis`. */
    stage,
    image: given.image.split(":")[0],
    command: [...(stage?.entrypoint ?? []), ...command],
    environment: { ...stage?.environment, ...texts(given.environment) },
    user: String(given.user ?? stage?.user ?? "0:0"),
    workdir: stage?.workdir ?? "/",
    secrets: (given.secrets ?? []).map((secret) =>
      typeof secret === "string"
        ? { source: secret, target: `/run/secrets/${secret}` }
        : { source: secret.source, target: secret.target },
    ),
    volumes: (given.volumes ?? []).map((volume) => volumeOf(volume, root)),
    tmpfs: (given.tmpfs ?? []).map((each) => {
      const [path, options = ""] = each.split(":");
      return { path, options: Object.fromEntries(options.split(",").map((option) => option.split("="))) };
    }),
    ports: (given.ports ?? []).map((port) => {
      const [host, outside, inside] = port.split(":");
      return { host, outside: Number(outside), inside: Number(inside) };
    }),
    names: [service, given.container_name ?? service, ...(network?.aliases ?? [])],
    /** The last part of its address in the containers' network. */
    place: Number(network?.ipv4_address?.split(".").at(-1)),
    after: Object.entries(given.depends_on ?? {}).map(([other, { condition }]) => ({
      service: other,
      condition,
    })),
    health: given.healthcheck ? healthOf(given.healthcheck) : null,
    stopSignal: given.stop_signal ?? stage?.stopSignal ?? "SIGTERM",
    grace: milliseconds(given.stop_grace_period ?? "10s"),
    files: given.ulimits?.nofile,
    restarts: given.restart === "unless-stopped" || given.restart === "always",
    readOnly: given.read_only === true,
    noRights: given.cap_drop?.includes("ALL") === true,
    noNewPrivileges: given.security_opt?.includes("no-new-privileges:true") === true,
    open: given.stdin_open === true,
    memory: given.deploy?.resources?.limits?.memory,
    logged: given.logging?.options?.["max-size"] !== undefined,
  };
}

function texts(environment = {}) {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, String(value ?? "")]));
}

/** `source:target[:ro]`; a source with a path is a file of the repository, another a volume with that name. */
function volumeOf(text, root) {
  const [source, target, mode] = text.split(":");
  const isFile = source.startsWith(".") || source.startsWith("/");
  return { source: isFile ? resolve(root, source) : source, isFile, target, readOnly: mode === "ro" };
}

function healthOf({ test, interval, timeout, retries, start_period, start_interval }) {
  if (test[0] !== "CMD") throw new Error(`a healthcheck without a shell begins with CMD: ${test.join(" ")}`);
  return {
    command: test.slice(1),
    interval: milliseconds(interval),
    timeout: milliseconds(timeout),
    retries,
    startPeriod: milliseconds(start_period),
    startInterval: milliseconds(start_interval),
  };
}

/** `10s`, `1m30s`, `500ms`. */
export function milliseconds(text) {
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  let sum = 0;
  for (const [, number, unit] of String(text).matchAll(/(\d+)(ms|s|m|h)/g))
    sum += Number(number) * units[unit];
  return sum;
}

/** The stages of a Dockerfile by name: what they are made from, and what a container of one begins with. */
export function readDockerfile(file) {
  const lines = readFileSync(file, "utf8")
    .replace(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line.trim() && !line.startsWith("#"));
  const stages = new Map();
  let stage = null;
  for (const line of lines) {
    const [, word, rest] = /^(\S+)\s+(.*)$/.exec(line.trim()) ?? [];
    if (word === "FROM") {
      const [, from, name] = /^(?:--platform=\S+\s+)?(\S+)\s+AS\s+(\S+)$/.exec(rest);
      stage = { name, from, environment: {}, programs: [], copies: [] };
      stages.set(name, stage);
    } else if (stage === null) continue;
    else if (word === "ENV") {
      for (const pair of rest.split(/\s+/))
        stage.environment[pair.split("=")[0]] = pair.slice(pair.indexOf("=") + 1);
    } else if (word === "USER") stage.user = rest;
    else if (word === "WORKDIR") stage.workdir = rest;
    else if (word === "STOPSIGNAL") stage.stopSignal = rest;
    else if (word === "ENTRYPOINT") stage.entrypoint = JSON.parse(rest);
    else if (word === "CMD") stage.command = JSON.parse(rest);
    else if (word === "COPY") {
      const [, from, source, target] = /^(?:--from=(\S+)\s+)?(\S+)\s+.*?(\S+)$/.exec(rest);
      stage.copies.push({ from, source, target });
    }
  }
  return stages;
}

/** A stage with all that it has from those below it. */
function stageOf(stages, name) {
  const own = stages.get(name);
  if (own === undefined) throw new Error(`the Dockerfile has no stage ${name}`);
  const below = stages.has(own.from) ? stageOf(stages, own.from) : { environment: {}, copies: [] };
  return {
    ...below,
    ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)),
    environment: { ...below.environment, ...own.environment },
    copies: [...below.copies, ...own.copies],
  };
}
