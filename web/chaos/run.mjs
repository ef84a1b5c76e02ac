// The real chaos: hub and services as processes, a passage that breaks connections in front of them, clients with the SDK, publishers,
// and faults of a seed; at the end what every client saw is compared with what was published. Called by scripts/chaos, which says what
// the options are. Here is the course of a run; what each part does is in the file of its name.

import { randomInt } from "node:crypto";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Auditor, books } from "./audit.mjs";
import { Chance } from "./chance.mjs";
import { Faults, time } from "./check.mjs";
import { startChild } from "./children.mjs";
import { Mayhem } from "./faults.mjs";
import { call } from "./http.mjs";
import { membersOf, register, signedIn } from "./population.mjs";
import { percentile, progress, summary, summed, write } from "./report.mjs";
import { addresses, KEYS, servers } from "./servers.mjs";
import { bundle, verdict } from "./verdict.mjs";

/** The most clients in one process. */
const IN_ONE = 50;

/** How long clients may take to be there at the start, and to have everything at the end, milliseconds. */
const PATIENCE = 90_000;

/** How long publishers and people may take to finish what they began, milliseconds. */
const FINISH = 150_000;

/** Publishers of single events, those of batches, pairs of people, and the pause of people between jobs, milliseconds. */
const BUSY = { singles: 6, batches: 2, pairs: 4, pace: 1_000 };

const { values: given } = parseArgs({
  options: {
    seconds: { type: "string", default: "600" },
    seed: { type: "string", default: String(randomInt(1, 2 ** 31)) },
    clients: { type: "string", default: "200" },
    rate: { type: "string", default: "40" },
    pace: { type: "string", default: "1" },
    programs: { type: "string" },
    report: { type: "string" },
    up: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    "no-disk": { type: "boolean", default: false },
  },
});
const numbers = [given.seed, given.seconds, given.clients, given.rate, given.pace].map(Number);
const [seed, seconds, total, rate, pace] = numbers;
if (!numbers.every((number) => Number.isSafeInteger(number) && number > 0)) {
  console.error("scripts/chaos: --seed, --seconds, --clients, --rate and --pace are whole numbers above 0");
  process.exit(2);
}

const faults = new Faults();
const directory = realpathSync(mkdtempSync(join(tmpdir(), "fanfare-chaos-")));
/** What ends that which was started, the last first. */
const endings = [];
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await cleanUp();
    rmSync(directory, { recursive: true, force: true });
    process.exit(130);
  });
}

process.once("uncaughtException", async (error) => {
  console.error(error.stack);
  await cleanUp();
  process.exit(1);
});

console.log(
  `seed ${seed}: --seed ${seed} --seconds ${seconds} --clients ${total} --pace ${pace}${given.up ? " --up" : ""}`,
);
try {
  await run();
} catch (error) {
  faults.add("run", error.stack);
}
await cleanUp();
const failed = faults.count > 0;
for (const line of faults.lines()) console.log(line);
rmSync(join(directory, "programs"), { recursive: true, force: true });
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
  const started = startChild(module, (_, text) => faults.add(kind, `at ${time(Date.now())}: ${text}`));
  endings.push(() => started.stop());
  return started;
}

async function eventually(what, holds) {
  const end = Date.now() + PATIENCE;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${PATIENCE / 1_000} s until ${what}`);
    await pause(200);
  }
}

async function run() {
  const chance = new Chance(seed, "run");
  const channels = Array.from(
    { length: Math.max(4, Math.ceil(total / 10)) },
    (_, number) => `chaos:${number}`,
  );
  const up = given.up;
  const ports = await addresses(up);
  const [hubPort, jobsPort] = up
    ? [ports.fanfare, ports.fanfare]
    : [ports["websocket-server"], ports["job-service"]];
  const passage = child("passage.mjs", "passage");
  await passage.ask("seed", seed);
  const through = async (name, port, harshness) =>
    `http://127.0.0.1:${await passage.ask("open", { name, port, harshness })}`;
  const ways = {
    clients: (await through("clients", hubPort, 1)).replace("http:", "ws:"),
    publishers: await through("publishers", hubPort, 0.5),
    relays: await through("relays", hubPort, 0.5),
    people: await through("people", jobsPort, 0.3),
  };

  const told = (text) => faults.add("server", `at ${time(Date.now())}: ${text}`);
  const withDisk = !given["no-disk"];
  const all = servers({
    directory,
    ports,
    relayTo: ways.relays,
    programs: given.programs,
    up,
    withDisk,
    told,
  });
  const { hub, services, users: userService } = all;
  for (const part of [...services, hub]) {
    endings.push(() => part.kill());
    if (!(await part.start())) throw new Error(`${part.name} does not start: ${part.tail()}`);
  }

  const registered = await register(userService.url, Math.ceil(total / 2));
  const logins = { logins: 0, signIns: 0 };
  const users = signedIn(userService.url, registered, logins);
  const followed = [...channels, "jobs", "payments"];
  const auditor = new Auditor({ hub: hub.url, channels: followed, users });
  await auditor.begin();

  const sdk = await bundle(directory);
  const members = membersOf(registered, total, channels, chance);
  const clients = [];
  for (let from = 0; from < members.length; from += IN_ONE) {
    const some = members.slice(from, from + IN_ONE);
    const started = child("clients.mjs", "clients");
    const where = { sdk, hub: `${ways.clients}/ws`, users: userService.url };
    await started.ask("start", { seed, name: `clients/${from}`, members: some, ...where });
    clients.push(started);
  }
  const ofAll = (what, value) => Promise.all(clients.map((each) => each.ask(what, value)));
  await eventually(
    "all clients are connected",
    async () => summed(await ofAll("counts")).open === members.length,
  );

  const publishers = child("publishers.mjs", "publisher");
  const people = child("people.mjs", "service");
  const audience = { channels, users: registered.map(({ userId }) => userId) };
  await publishers.ask("start", { seed, hub: ways.publishers, key: KEYS.direct, rate, ...BUSY, ...audience });
  await people.ask("start", {
    seed,
    services: { user: userService.url, job: ways.people },
    employers: registered.filter(({ userType }) => userType === "employer"),
    workers: registered.filter(({ userType }) => userType === "worker"),
    ...BUSY,
  });

  const mayhem = new Mayhem({ seed, pace, hub, services, disk: all.disk, passage, clients, channels, told });
  const state = async () => ({
    clients: summed(await ofAll("counts")),
    publishers: await publishers.ask("counts"),
    people: await people.ask("counts"),
    mayhem: mayhem.counts,
    passage: await passage.ask("counts"),
  });
  const began = Date.now();
  const shown = new Set();
  const reporting = setInterval(async () => {
    const now = Math.round((Date.now() - began) / 1_000);
    const line = await state().catch(() => null);
    if (line) console.log(progress({ now, seconds, total: members.length, ...line }));
    const wrong = (await ofAll("wrong").catch(() => [])).flat();
    for (const text of wrong.map(([at, name, what]) => `     wrong: ${name} at ${time(at)}: ${what}`)) {
      if (!shown.has(text)) console.log(text);
      shown.add(text);
    }
  }, 10_000);
  endings.push(async () => clearInterval(reporting));

  await mayhem.run(seconds * 1_000);
  await ofAll("calm");
  const states = await people.ask("stop", undefined, FINISH);
  await publishers.ask("stop", undefined, FINISH);
  const money = () => books({ job: all.jobs.url, payment: all.payments.url, health: all.books, users });
  await eventually("no job waits for its end", async () => {
    const { jobs } = await money();
    return jobs.every(({ status, deadline }) => deadline === null || !["open", "accepted"].includes(status));
  });
  await eventually("the services have relayed all", async () => {
    const healths = await Promise.all(all.healths.map((base) => call(base, "GET", "/health")));
    return healths.every(({ json }) => json?.relay?.backlog === 0);
  });
  const end = await publishers.ask("end", undefined, FINISH);
  const waiting = async () => (await ofAll("waiting")).flat();
  await eventually("all clients have seen the last event", async () => (await waiting()).length === 0).catch(
    async (error) => {
      const some = (await waiting()).slice(0, 10).map(({ name, latest }) => `${name} (${latest})`);
      faults.add("stuck", `${error.message}: ${some.join(", ")}`);
    },
  );
  clearInterval(reporting);

  const last = await state();
  const took = (await ofAll("taken", mayhem.calm)).flat();
  for (const part of [...services, hub]) if (!part.runs) told(`${part.name} does not run at the end`);
  const { forgotten } = mayhem;
  const checked = await verdict({
    directory,
    faults,
    auditor,
    clients,
    publishers,
    states,
    money: await money(),
    end,
    forgotten,
    logins: summed([logins, last.clients, last.people]),
  });
  const result = {
    seed,
    seconds,
    total,
    up,
    date: new Date().toISOString().slice(0, 10),
    ...last,
    longestDrain: mayhem.longestDrain,
    checked,
    took: { p50: percentile(took, 0.5), p99: percentile(took, 0.99), count: took.length },
    wrong: faults.count,
  };
  console.log(`\n${summary(result)}\n`);
  if (given.report) write(given.report, result);
}
