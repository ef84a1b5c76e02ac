// What docker-compose.yml, the Dockerfile and .env.example promise, read from them; and that the shell's program understands what Docker would.
// Not here: that it runs (stack.test.mjs).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import { milliseconds, readCompose, readDockerfile, variablesOf } from "./compose.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const file = join(root, "docker-compose.yml");
const all = { profiles: ["pubsub", "emulator", "dev"] };
const compose = readCompose(file, all);
const containers = [...compose.containers.values()];
const text = (path) => readFileSync(join(root, path), "utf8");

test("names, ports and network are those of the field", () => {
  const names = new Map(containers.map(({ service, name }) => [service, name]));
  assert.deepEqual(compose.network, ["backend-net"]);
  assert.equal(names.get("websocket-server"), "paychain-websocket");
  for (const service of ["job", "payment", "user", "notification", "chat"]) {
    assert.equal(names.get(`${service}-service`), `paychain-${service}-service`);
  }
  const published = readCompose(file).containers;
  const outside = [...published.values()].flatMap(({ ports }) =>
    ports.map((port) => `${port.outside}:${port.inside}`),
  );
  assert.deepEqual(
    outside.sort(),
    ["443:8443", "5000:5000", "8000:8000", "80:8080", "8080:8000", "8765:8765"].sort(),
  );
  const hubs = containers.filter(({ names: known }) => known.includes("websocket-server"));
  assert.deepEqual(
    hubs.map(({ name }) => name),
    ["paychain-websocket", "paychain-websocket-2"],
  );
  for (const { environment, service } of published.values()) {
    if (service.endsWith("-service"))
      assert.equal(environment.WS_SERVICE_URL, "http://websocket-server:8000");
  }
});

test("no container has rights that it does not need", () => {
  for (const { service, user, readOnly, noRights, noNewPrivileges, logged, memory, restarts } of containers) {
    const [uid] = user.split(":");
    assert.ok(Number(uid) > 0, `${service} runs as ${user}`);
    assert.ok(readOnly && noRights && noNewPrivileges, `${service} may do too much`);
    assert.ok(logged && memory && restarts, `${service} is not bounded, or does not come back`);
  }
});

test("every server is asked whether it is well, without a shell but for nginx", () => {
  for (const { service, health } of containers) {
    if (service === "pubsub-emulator") continue;
    assert.ok(health, `${service} has no healthcheck`);
    assert.ok(
      health.retries > 0 && health.timeout > 0 && health.interval > 0 && health.startPeriod > 0,
      service,
    );
    if (service !== "nginx") assert.ok(!/(^|\/)(ba)?sh$/.test(health.command[0]), `${service} needs a shell`);
  }
});

test("nobody starts before those that it cannot do without are well", () => {
  for (const { service, after } of containers) {
    for (const { service: other, condition } of after)
      assert.equal(condition, "service_healthy", `${service} and ${other}`);
  }
  const waits = (service) => compose.containers.get(service).after.map((each) => each.service);
  assert.deepEqual(waits("websocket-server"), ["redis", "user-service"]);
  assert.deepEqual(waits("job-service"), ["postgres"]);
  assert.ok(waits("nginx").includes("websocket-server-2"));
});

test("a drain ends before it is killed", () => {
  for (const { service, grace, environment } of containers) {
    if (environment.DRAIN_TIMEOUT)
      assert.ok(grace > milliseconds(environment.DRAIN_TIMEOUT) + 10_000, service);
  }
});

test("no secret is in a variable, nor in the repository", () => {
  for (const { service, environment, command } of containers) {
    for (const [name, value] of Object.entries(environment)) {
      const secret = /(_KEYS?|_SECRET|PASSWORD|DATABASE_URL|REDIS_URL)$/.test(name);
      assert.ok(!secret || value === "", `${service} has ${name} in its environment`);
      assert.ok(!/:\/\/[^/]*:[^/]*@/.test(value), `${service} has a password in ${name}`);
      if (!name.endsWith("_FILE")) continue;
      const inside = compose.containers.get(service).secrets.map(({ target }) => target);
      assert.ok(inside.includes(value), `${service}: ${name} is ${value}, which it is not given`);
    }
    assert.ok(
      !command.some(
        (word) => /pass|secret|requirepass/i.test(word) && !word.startsWith("password_encryption"),
      ),
      service,
    );
  }
  assert.ok(text(".gitignore").split("\n").includes("/secrets/"));
  assert.equal(
    text(".dockerignore")
      .split("\n")
      .find((line) => line && !line.startsWith("#")),
    "*",
  );
});

test("every variable is documented with the value that it has anyway, and no other is", () => {
  const documented = parseEnv(text(".env.example"));
  // Compose's own.
  const { COMPOSE_PROFILES, ...own } = documented;
  assert.equal(COMPOSE_PROFILES, "");
  assert.deepEqual(own, Object.fromEntries(variablesOf(file)));
});

test("the hubs tell services what fanfare up tells them", () => {
  const documents = `${text("docs/chat-service.md")}${text("docs/notification-service.md")}`;
  const hub = text("docker/hub.toml");
  for (const line of hub.split("\n").filter((each) => /^(event|types|namespaces) = /.test(each))) {
    assert.ok(documents.includes(`${line}\n`), `no document has ${line}`);
  }
  for (const url of hub.match(/http:\/\/[^"]+/g)) {
    const { hostname, port } = new URL(url);
    const service = containers.find(({ names }) => names.includes(hostname));
    assert.equal(service?.environment.PORT, port, url);
  }
});

test("images are named without a registry, and ours are stages of the Dockerfile that run as nobody of importance", () => {
  for (const { service, image, stage, user } of containers) {
    assert.doesNotMatch(image.split("/")[0], /[.:]/, `${service}: ${image}`);
    if (!stage) continue;
    assert.equal(stage.user, user, `${service}: the image's user is ${stage.user}`);
    assert.ok(stage.entrypoint?.[0].startsWith("/"), `${service} has no command of its own`);
  }
  const stages = readDockerfile(join(root, "Dockerfile"));
  assert.equal([...stages.keys()].at(-1), "fanfare");
  assert.doesNotMatch(text("Dockerfile"), /x86_64|aarch64|amd64(?!,)/);
  // The compiler is the one that everybody has.
  const [, channel] = /channel = "(.*)"/.exec(text("rust-toolchain.toml"));
  assert.match(text("Dockerfile"), new RegExp(`^ARG RUST=${channel}$`, "m"));
});

test("all that the images are made of is let into a build", () => {
  const ignored = text(".dockerignore").split("\n");
  const shown = new Set(ignored.filter((line) => line.startsWith("!")).map((line) => line.slice(1)));
  for (const stage of readDockerfile(join(root, "Dockerfile")).values()) {
    for (const { from, source } of stage.copies) {
      if (from) continue;
      const path = source.replace(/\/$/, "");
      assert.ok(existsSync(join(root, path)), `${path} is not there`);
      assert.ok(
        [...shown].some((each) => path === each || path.startsWith(`${each}/`)),
        `${path} is left out`,
      );
    }
  }
  const packages = readdirSync(join(root, "web/packages")).map((name) => `web/packages/${name}/package.json`);
  for (const path of packages)
    assert.ok(text("Dockerfile").includes(`COPY ${path} `), `${path} is not copied`);
});

test("hollow crates have the manifests, an empty source for each program and library, and nothing else", () => {
  const directory = mkdtempSync(join(tmpdir(), "fanfare-hollow-"));
  try {
    execFileSync("cp", ["-r", join(root, "crates"), join(directory, "crates")]);
    execFileSync("sh", [join(root, "docker/hollow.sh"), join(directory, "crates")]);
    for (const crate of readdirSync(join(root, "crates"))) {
      for (const path of ["Cargo.toml", "src/lib.rs", "src/main.rs"]) {
        const is = existsSync(join(directory, "crates", crate, path));
        assert.equal(is, existsSync(join(root, "crates", crate, path)), `${crate}/${path}`);
      }
    }
    const left = execFileSync("find", [join(directory, "crates"), "-name", "*.rs", "-size", "+1"]).toString();
    assert.equal(left, "");
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("keys are made once, are nobody else's, and fit each other", () => {
  const directory = mkdtempSync(join(tmpdir(), "fanfare-keys-"));
  try {
    const keys = () => execFileSync("bash", [join(root, "docker/keys.sh"), join(directory, "secrets")]);
    keys();
    const read = (name) => readFileSync(join(directory, "secrets", name), "utf8");
    const names = readdirSync(join(directory, "secrets")).sort();
    for (const [name] of compose.secrets) assert.ok(names.includes(name), `${name} is not made`);
    assert.equal(statSync(join(directory, "secrets")).mode & 0o777, 0o700);
    const before = names.map(read);
    assert.ok(read("api_keys").includes(read("service_api_key")));
    const [, password] = /:([0-9a-f]{64})@/.exec(read("redis_url"));
    const hash = execFileSync("openssl", ["dgst", "-sha256", "-r"], { input: password })
      .toString()
      .slice(0, 64);
    assert.ok(read("redis_acl").includes(`#${hash} `) && !read("redis_acl").includes(password));
    // Redis 7.0 reads its log as this user, and leaves out what the user may not.
    assert.match(read("redis_acl"), /^user default on #[0-9a-f]{64} ~\* &\* \+@all$/m);
    for (const service of ["user", "job", "payment", "notification", "chat"]) {
      const [, name, own] = /^postgres:\/\/(\w+):(\w+)@postgres:5432\/\1$/.exec(
        read(`${service}_database_url`),
      );
      assert.ok(
        read("postgres_databases").includes(
          `CREATE ROLE ${name} LOGIN CONNECTION LIMIT 40 PASSWORD '${own}'`,
        ),
      );
    }
    execFileSync("openssl", [
      "verify",
      "-CAfile",
      join(directory, "secrets/ca_certificate"),
      join(directory, "secrets/tls_certificate"),
    ]);
    keys();
    assert.deepEqual(readdirSync(join(directory, "secrets")).sort(), names);
    assert.deepEqual(names.map(read), before);
    // One that was lost is made anew with all that belong to it.
    writeFileSync(join(directory, "lost"), "");
    rmSync(join(directory, "secrets/redis_acl"));
    keys();
    const [, another] = /:([0-9a-f]{64})@/.exec(read("redis_url"));
    assert.notEqual(another, password);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
