// The stack that scripts/stack runs, looked at from outside: is each process what docker-compose.yml says, can nobody else read its secrets, does
// the tour work through nginx with TLS, is nothing left of it afterwards. Needs the programs (PROGRAMS, else target/debug), Debian's Redis,
// Postgres, nginx and openssl, and curl.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readCompose } from "./compose.mjs";
import { commands } from "./tour.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const programs = resolve(process.env.PROGRAMS ?? join(root, "target/debug"));
const directory = mkdtempSync(join(tmpdir(), "fanfare-stack-test-"));
const run = promisify(execFile);
const asRoot = process.getuid() === 0;

const stack = (...words) =>
  run(process.execPath, [join(root, "web/stack/main.mjs"), ...words, "--directory", directory], {
    timeout: 300_000,
  });
let state;
let variables;
let compose;

before(async () => {
  const { stdout } = await stack("up", "--ports", "auto", "--programs", programs);
  assert.match(stdout, /The stack is up/);
  state = JSON.parse((await stack("status", "--json")).stdout);
  ({ variables } = JSON.parse(readFileSync(join(directory, "state.json"), "utf8")));
  compose = readCompose(join(root, "docker-compose.yml"), { variables, profiles: ["pubsub", "emulator"] });
});

after(async () => {
  await stack("down").catch(() => {});
  rmSync(directory, { recursive: true, force: true });
});

const of = (pid, file) => readFileSync(`/proc/${pid}/${file}`, "utf8");
const words = (text) => text.split("\0").slice(0, -1);

/** What the compose file says, with a container's own address for all addresses. */
function expected(container) {
  const { address } = state.find(({ service }) => service === container.service);
  const local = (text) =>
    text
      .replace(/^0\.0\.0\.0(?=$|:)/, address)
      .replace(/^listen_addresses=\*$/, `listen_addresses=${address}`);
  return {
    command: container.command.map(local),
    environment: Object.fromEntries(
      Object.entries(container.environment).map(([name, value]) => [name, local(value)]),
    ),
  };
}

test("each container of the file is one process with its command, its environment and nothing else", () => {
  assert.deepEqual(
    state.map(({ service }) => service),
    [...compose.containers.keys()],
  );
  for (const { service, name, pid, status } of state) {
    const container = compose.containers.get(service);
    assert.equal(name, container.name);
    assert.ok(status === "healthy" || (status === "running" && !container.health), `${service} is ${status}`);
    const { command, environment } = expected(container);
    // nginx and Redis write their own titles over their arguments.
    if (service !== "nginx" && service !== "redis")
      assert.deepEqual(words(of(pid, "cmdline")), command, service);
    const told = Object.fromEntries(
      words(of(pid, "environ")).map((line) => [
        line.slice(0, line.indexOf("=")),
        line.slice(line.indexOf("=") + 1),
      ]),
    );
    if (service === "nginx") continue;
    const { PATH, HOME, LANG, ...own } = told;
    // Programs add some to their own.
    for (const [variable, value] of Object.entries(environment))
      assert.equal(own[variable], value, `${service}: ${variable}`);
    const more = Object.keys(own).filter((variable) => !(variable in environment));
    assert.ok(
      more.length === 0 || service === "postgres" || service === "redis",
      `${service} also has ${more}`,
    );
  }
});

test("each has its user, no rights and no way to get some, and a root that it can't write to", () => {
  for (const { service, pid } of state) {
    const status = of(pid, "status");
    const value = (name) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)[1].trim();
    const [uid, gid] = compose.containers.get(service).user.split(":");
    if (asRoot) {
      assert.deepEqual(value("Uid").split(/\s+/), Array(4).fill(uid), service);
      assert.deepEqual(value("Gid").split(/\s+/), Array(4).fill(gid), service);
    } else assert.equal(Number(value("Uid").split(/\s+/)[0]), process.getuid(), service);
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
      assert.match(value(set), /^0+$/, `${service} has ${set} ${value(set)}`);
    }
    assert.equal(value("NoNewPrivs"), "1", service);
    const [mount] = of(pid, "mountinfo")
      .split("\n")
      .filter((line) => line.split(" ")[4] === "/");
    assert.match(mount.split(" ")[5], /^ro(,|$)/, `${service}: ${mount}`);
  }
});

test("names lead to containers, and the hub's to both", () => {
  const lines = readFileSync(join(directory, "hosts"), "utf8").trim().split("\n");
  const of = (name) =>
    lines.filter((line) => line.split("\t")[1] === name).map((line) => line.split("\t")[0]);
  for (const { service, name, address } of state) {
    assert.deepEqual(of(name), [address]);
    if (service !== "websocket-server") assert.deepEqual(of(service), [address]);
  }
  const hubs = state
    .filter(({ service }) => service.startsWith("websocket-server"))
    .map(({ address }) => address);
  assert.deepEqual(of("websocket-server").sort(), hubs.sort());
});

test("a secret is seen by its containers alone, and by nobody else on this machine", () => {
  assert.equal(statSync(join(directory, "secrets")).mode & 0o777, 0o700);
  assert.equal(statSync(join(directory, "volumes/redis-data")).mode & 0o077, 0);
  const texts = readdirSync(join(directory, "secrets"))
    .filter((name) => !/certificate|credentials/.test(name))
    .flatMap((name) => readFileSync(join(directory, "secrets", name), "utf8").match(/[0-9a-f]{64}/g) ?? []);
  assert.ok(texts.length > 8);
  for (const { service, pid } of state) {
    const inside = join(`/proc/${pid}/root`, "run/secrets");
    const { secrets } = compose.containers.get(service);
    const should = secrets
      .filter(({ target }) => target.startsWith("/run/secrets/"))
      .map(({ target }) => target.slice(13));
    if (asRoot) {
      assert.deepEqual(readdirSync(inside).sort(), should.sort(), service);
      for (const name of should)
        assert.equal(statSync(join(inside, name)).mode & 0o777, 0o400, `${service}: ${name}`);
    }
    // What everybody may see of a process, and what it has written.
    const seen = `${of(pid, "cmdline")} ${of(pid, "environ")} ${readFileSync(join(directory, "logs", `${service}.log`), "utf8")}`;
    assert.ok(!texts.some((secret) => seen.includes(secret)), `${service} shows a secret`);
  }
  if (asRoot) {
    const other = [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      "cat",
      join(directory, "secrets/redis_url"),
    ];
    assert.throws(() => execFileSync("setpriv", other, { stdio: "ignore" }));
  }
  assert.equal(statSync(join(directory, "engine.sock")).mode & 0o077, 0);
});

test("the tour works through nginx with TLS, on two nodes that are one hub", async () => {
  const { HTTPS_PORT, HUB_PORT } = variables;
  const secrets = join(directory, "secrets");
  const script = commands({
    url: `https://localhost:${HTTPS_PORT}`,
    hub: `http://127.0.0.1:${HUB_PORT}`,
    secrets,
    programs,
  });
  const { stdout } = await run("bash", ["-euc", script], { timeout: 120_000 }).catch((error) => {
    // curl's 28: the events would go on.
    assert.equal(error.code, 28, error.stderr);
    return error;
  });
  for (const part of [
    '"email":"wanda@example.com"',
    '"status":"accepted"',
    '"status":"completed"',
    '"balance_usd":25.5',
    '"type":"subscribed"',
  ]) {
    assert.ok(stdout.includes(part), `${part} is not in ${stdout}`);
  }
  const page = await run("curl", [
    "-s",
    "--cacert",
    join(secrets, "ca_certificate"),
    `https://localhost:${HTTPS_PORT}/`,
  ]);
  assert.match(page.stdout, /<title>/);
  const outside = [
    "-s",
    "-o",
    "/dev/null",
    "-w",
    "%{http_code}",
    "--cacert",
    join(secrets, "ca_certificate"),
  ];
  for (const path of ["/broadcast", "/metrics", "/stats"]) {
    const { stdout: status } = await run("curl", [...outside, `https://localhost:${HTTPS_PORT}${path}`]);
    assert.equal(status, "403", path);
  }
  const health = await run("curl", ["-s", `http://127.0.0.1:${HUB_PORT}/metrics`]);
  assert.match(health.stdout, /^fanfare_cluster_nodes 2$/m);
});

test("a part that is killed is back, one that is restarted too, and the others go on", async () => {
  const { pid } = state.find(({ service }) => service === "chat-service");
  process.kill(pid, "SIGKILL");
  await stack("restart", "paychain-job-service");
  let now;
  for (let tries = 0; tries < 300; tries += 1) {
    now = JSON.parse((await stack("status", "--json").catch((error) => error)).stdout);
    if (now.every(({ status }) => status === "healthy" || status === "running")) break;
  }
  const starts = Object.fromEntries(now.map(({ service, starts: count }) => [service, count]));
  assert.deepEqual([starts["chat-service"], starts["job-service"], starts.redis], [2, 2, 1]);
  state = now;
});

test("down ends all of it and nothing else; data and keys stay", async () => {
  const pids = state.map(({ pid }) => pid);
  const { pid: engine } = JSON.parse(readFileSync(join(directory, "state.json"), "utf8"));
  await stack("down");
  for (const pid of [...pids, engine])
    assert.throws(() => readlinkSync(`/proc/${pid}/exe`), `${pid} is still there`);
  assert.ok(
    existsSync(join(directory, "secrets/redis_url")) && existsSync(join(directory, "volumes/postgres-data")),
  );
  const port = Number(variables.HTTPS_PORT);
  await assert.rejects(
    new Promise((done, failed) => connect(port, "127.0.0.1", done).once("error", failed)),
    { code: "ECONNREFUSED" },
  );
  await assert.rejects(stack("status"));
});
