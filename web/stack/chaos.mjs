// scripts/stack chaos: a stack of its own, clients through nginx with TLS, publishers at both hubs, receipts by Pub/Sub, people at the services;
// each part in turn is killed; at the end what every client saw is compared with what was published, by the same checker as scripts/chaos.
// Here is the course of a run; what it consists of is in web/chaos.

import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { freePorts } from "../browser-tests/ports.mjs";
import { Auditor, books } from "../chaos/audit.mjs";
import { Chance } from "../chaos/chance.mjs";
import { Faults, time } from "../chaos/check.mjs";
import { startChild } from "../chaos/children.mjs";
import { call } from "../chaos/http.mjs";
import { membersOf, register, signedIn } from "../chaos/population.mjs";
import { percentile, summed } from "../chaos/report.mjs";
import { bundle, verdict } from "../chaos/verdict.mjs";
import { StackMayhem } from "./mayhem.mjs";
import { Receipts } from "./receipts.mjs";
import { PORTS, Stack } from "./stack.mjs";

/** The most clients in one process. */
const IN_ONE = 50;

/** How long clients may take to be there at the start, and everything to be told at the end, milliseconds. */
const PATIENCE = 90_000;

/** How long publishers and people may take to finish what they began, milliseconds. */
const FINISH = 150_000;

/** Publishers of single events, those of batches, pairs of people, and the pause of people between jobs, milliseconds. */
const BUSY = { singles: 6, batches: 2, pairs: 3, pace: 1_000 };

/** Receipts a second. */
const RECEIPTS = 3;

/** Every stream durable, and room for all that a run publishes: so no gap has an excuse. */
const RULES = ["chaos:*", "receipts", "jobs", "payments", "@all", "user:*"]
  .map(
    (pattern) =>
      `[[channels]]\npattern = "${pattern}"\nhistory = { size = 1000000, age = "7d", durable = true }\n`,
  )
  .join("\n");

const HUBS = ["websocket-server", "websocket-server-2"];
const SERVICES = { user: "user-service", job: "job-service", payment: "payment-service" };
const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

const { values: given } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    seed: { type: "string", default: String(randomInt(1, 2 ** 31)) },
    clients: { type: "string", default: "60" },
    rate: { type: "string", default: "40" },
    programs: { type: "string" },
    quick: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const numbers = [given.seed, given.seconds, given.clients, given.rate].map(Number);
const [seed, , total, rate] = numbers;
// A short run has each kind of part once, and is over.
const seconds = given.quick ? 1 : numbers[1];
if (!numbers.every((number) => Number.isSafeInteger(number) && number > 0)) {
  console.error("scripts/stack chaos: --seed, --seconds, --clients and --rate are whole numbers above 0");
  process.exit(2);
}

const faults = new Faults();
const told = (text) => faults.add("stack", `at ${time(Date.now())}: ${text}`);
const directory = realpathSync(mkdtempSync(join(tmpdir(), "fanfare-stack-")));
/** What ends that which was started, the last first. */
const endings = [];
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await cleanUp();
    rmSync(directory, { recursive: true, force: true });
    process.exit(130);
  });
}

console.log(
  `seed ${seed}: --seed ${seed} --clients ${total}${given.quick ? " --quick" : ` --seconds ${seconds}`}`,
);
try {
  await run();
} catch (error) {
  faults.add("run", error.stack);
}
await cleanUp();
const failed = faults.count > 0;
for (const line of faults.lines()) console.log(line);
if (failed || given.keep) console.log(`logs and what was seen: ${directory}`);
else rmSync(directory, { recursive: true, force: true });
console.log(
  failed ? `seed ${seed}: ${faults.count} faults` : `seed ${seed}: nothing lost, nothing twice, all in order`,
);
process.exit(failed ? 1 : 0);

async function cleanUp() {
  for (const end of endings.splice(0).reverse()) {
    await end().catch((error) => console.error(`cleaning up: ${error.message}`));
  }
}

function child(module, kind) {
  const started = startChild(`../chaos/${module}`, (_, text) =>
    faults.add(kind, `at ${time(Date.now())}: ${text}`),
  );
  endings.push(() => started.stop());
  return started;
}

async function eventually(what, holds, patience = PATIENCE) {
  const end = Date.now() + patience;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${patience / 1_000} s until ${what}`);
    await pause(200);
  }
}

/** The stack of a run: its own, on ports that nobody else has. */
async function stackOf() {
  const free = await freePorts(Object.keys(PORTS).length);
  const variables = Object.fromEntries(Object.keys(PORTS).map((name, at) => [name, String(free[at])]));
  const hub = {
    HISTORY_MAX_BYTES: "1GiB",
    IDEMPOTENCY_TTL: "1d",
    IDEMPOTENCY_KEYS: "1000000",
    RUST_LOG: "warn",
  };
  const stack = new Stack({
    root,
    directory,
    programs: given.programs,
    profiles: ["pubsub", "emulator"],
    variables: {
      ...variables,
      BIND: "127.0.0.1",
      CORS_ALLOWED_ORIGINS: `https://localhost:${variables.HTTPS_PORT}`,
      DEMO_BALANCE_USD: "1000000",
      PUBSUB_EMULATOR_HOST: "pubsub-emulator:8085",
      RUST_LOG: "warn",
    },
    rules: RULES,
    unlimited: true,
    // A receipt that a killed bridge held comes again as soon as Pub/Sub allows.
    settings: { [HUBS[0]]: hub, [HUBS[1]]: hub, "pubsub-bridge": { PUBSUB_ACK_DEADLINE: "10s" } },
    told: () => {},
  });
  await stack.prepare();
  endings.push(() => stack.stop());
  await stack.start();
  return stack;
}

async function run() {
  const chance = new Chance(seed, "stack");
  const began = Date.now();
  const stack = await stackOf();
  console.log(`the stack is up after ${((Date.now() - began) / 1_000).toFixed(1)} s`);
  const secret = (name) => readFileSync(join(directory, "secrets", name), "utf8");
  process.env.NODE_EXTRA_CA_CERTS = join(directory, "secrets/ca_certificate");
  const https = `https://localhost:${stack.variables.HTTPS_PORT}`;
  const hubs = HUBS.map((name) => `http://${stack.address(name)}:8000`);
  const direct = Object.fromEntries(
    Object.entries(SERVICES).map(([kind, name]) => {
      const { environment } = stack.compose.containers.get(name);
      return [kind, `http://${stack.address(name)}:${environment.PORT}`];
    }),
  );

  const channels = Array.from(
    { length: Math.max(4, Math.ceil(total / 10)) },
    (_, number) => `chaos:${number}`,
  );
  const registered = await register(https, Math.ceil(total / 2));
  const logins = { logins: 0, signIns: 0 };
  const users = signedIn(https, registered, logins);
  const followed = [...channels, "receipts", "jobs", "payments"];
  const auditor = new Auditor({ hub: hubs[0], channels: followed, users });
  await auditor.begin();

  const sdk = await bundle(directory);
  const members = membersOf(registered, total, [...channels, "receipts"], chance);
  const clients = [];
  for (let from = 0; from < members.length; from += IN_ONE) {
    const some = members.slice(from, from + IN_ONE);
    const started = child("clients.mjs", "clients");
    const where = { sdk, hub: `${https.replace("https", "wss")}/ws`, users: https };
    await started.ask("start", { seed, name: `clients/${from}`, members: some, ...where });
    clients.push(started);
  }
  const ofAll = (what, value) => Promise.all(clients.map((each) => each.ask(what, value)));
  const open = async () => ({ open: summed(await ofAll("counts")).open, total: members.length });
  await eventually("all clients are connected", async () => (await open()).open === members.length);

  const publishers = child("publishers.mjs", "publisher");
  const people = child("people.mjs", "service");
  const audience = { channels, users: registered.map(({ userId }) => userId) };
  await publishers.ask("start", { seed, hub: hubs, key: secret("publish_key"), rate, ...BUSY, ...audience });
  await people.ask("start", {
    seed,
    services: { user: https, job: https },
    employers: registered.filter(({ userType }) => userType === "employer"),
    workers: registered.filter(({ userType }) => userType === "worker"),
    ...BUSY,
  });
  const { PUBSUB_PROJECT, PUBSUB_TOPIC } = stack.compose.containers.get("pubsub-bridge").environment;
  const receipts = new Receipts({
    authority: `${stack.address("pubsub-emulator")}:8085`,
    topic: `projects/${PUBSUB_PROJECT}/topics/${PUBSUB_TOPIC}`,
    chance: new Chance(seed, "receipts"),
    rate: RECEIPTS,
  });

  const mayhem = new StackMayhem({
    stack,
    chance: new Chance(seed, "faults"),
    quick: given.quick,
    open,
    told,
  });
  const shown = new Set();
  const reporting = setInterval(async () => {
    const counts = summed(await ofAll("counts").catch(() => []));
    const { published } = await publishers.ask("counts").catch(() => ({}));
    const last = mayhem.rows.at(-1)?.name ?? "";
    const now = Math.round((Date.now() - began) / 1_000);
    console.log(
      `${String(now).padStart(4)} s  ${counts.open} of ${members.length} open  ${published} published, ${counts.seen} seen  ${last}`,
    );
    for (const [at, name, text] of (await ofAll("wrong").catch(() => [])).flat()) {
      const line = `     wrong: ${name} at ${time(at)}: ${text}`;
      if (!shown.has(line)) console.log(line);
      shown.add(line);
    }
  }, 10_000);
  endings.push(async () => clearInterval(reporting));

  await mayhem.run(seconds * 1_000);
  console.log(`\n${mayhem.table()}\n`);
  await ofAll("calm");
  const states = await people.ask("stop", undefined, FINISH);
  await publishers.ask("stop", undefined, FINISH);
  await receipts.stop();
  const money = () => books({ job: direct.job, payment: direct.payment, health: direct.payment, users });
  await eventually("no job waits for its end", async () => {
    const { jobs } = await money();
    return jobs.every(({ status, deadline }) => deadline === null || !["open", "accepted"].includes(status));
  });
  await eventually("the services have relayed all", async () => {
    const healths = await Promise.all(Object.values(direct).map((base) => call(base, "GET", "/health")));
    return healths.every(({ json }) => json?.relay?.backlog === 0);
  });
  await eventually("the bridge has brought all receipts", async () => {
    const { json } = await call(hubs[0], "GET", "/channels/receipts", { key: secret("admin_key") });
    return (json?.history?.offset ?? 0) >= receipts.publications.length;
  }).catch((error) => faults.add("receipts", error.message));
  const end = await publishers.ask("end", undefined, FINISH);
  const waiting = async () => (await ofAll("waiting")).flat();
  await eventually("all clients have seen the last event", async () => (await waiting()).length === 0).catch(
    async (error) => {
      const some = (await waiting()).slice(0, 10).map(({ name, latest }) => `${name} (${latest})`);
      faults.add("stuck", `${error.message}: ${some.join(", ")}`);
    },
  );
  clearInterval(reporting);

  const counts = summed(await ofAll("counts"));
  const published = await publishers.ask("counts");
  const done = await people.ask("counts");
  const took = (await ofAll("taken", [[0, Date.now()]])).flat();
  const checked = await verdict({
    directory,
    faults,
    auditor,
    clients,
    publishers,
    others: receipts.publications,
    states,
    money: await money(),
    end,
    forgotten: mayhem.forgotten,
    logins: summed([logins, counts, done]),
  });
  await agree(hubs, auditor, followed);
  const statuses = Object.entries(published.statuses).map(([name, count]) => `${name} ${count}`);
  console.log(
    [
      `seed ${seed}, ${mayhem.rows.length} faults, ${members.length} clients through nginx, two hubs`,
      `published   ${published.published} events, ${receipts.publications.length} receipts, ${done.jobs} jobs; ${checked.history} events in history`,
      `checked     ${checked.deliveries} deliveries to ${checked.sights} clients; connected ${counts.connections} times, recovered ${counts.recoveries}, resumed ${counts.resumes}`,
      `repeated    ${published.repeats} publications (${published.silent} not answered; refused: ${statuses.join(", ") || "none"}), ${done.repeats} calls of services`,
      `took        p50 ${percentile(took, 0.5)} ms, p99 ${percentile(took, 0.99)} ms from publication to client, faults and all`,
    ].join("\n"),
  );
}

/** Both nodes tell the same of every stream. */
async function agree([first, ...others], auditor, channels) {
  const of = async (hub) => {
    const told = new Auditor({ hub, channels, users: auditor.users });
    told.epochs = auditor.epochs;
    return (await told.truth()).order.map(({ id }) => id).join(" ");
  };
  const wanted = await of(first);
  for (const hub of others) {
    if ((await of(hub)) !== wanted)
      faults.add("nodes", `${hub} has other events than ${first}, or in another order`);
  }
}
