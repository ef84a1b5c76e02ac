// What happens to a stack during its chaos: each part in turn is killed, frozen, stopped or reloaded, in an order of the seed; then all has
// to be well again, and how long that took is noted. Not here: the load, and whether something is missing (chaos.mjs, web/chaos).

import { setTimeout as pause } from "node:timers/promises";
import { time } from "../chaos/check.mjs";

/** How long a part, and the clients, may take to be well again, milliseconds: a container that ended often waits for seconds. */
const BACK = 60_000;

/** Which share of the clients that were connected has to be back: some are away on purpose at any moment. */
const BACK_AGAIN = 0.9;

/** Before and after a crash the nodes need not know what nobody waited for, such as that a token was used, milliseconds. */
const LAZY = 500;

/** Faults after which a part has to be started anew. */
const ENDS = new Set(["SIGKILL", "restart", "away"]);

/** All faults: the name, whom it hits, and what it does. */
const FAULTS = [
  ...["websocket-server", "websocket-server-2"].flatMap((hub) => [
    fault(hub, "SIGKILL", (part) => part.crash()),
    fault(hub, "restart", (part) => restart(part)),
  ]),
  fault("websocket-server-2", "frozen", (part, chance) => freeze(part, chance.within(1_000, 3_000))),
  fault("redis", "SIGKILL", (part) => part.crash()),
  fault("redis", "frozen", (part, chance) => freeze(part, chance.within(2_000, 5_000))),
  fault("redis", "restart", (part) => restart(part)),
  fault("redis", "away", (part, chance) => away(part, chance.within(2_000, 5_000))),
  fault("postgres", "SIGKILL", (part) => part.crash()),
  fault("postgres", "restart", (part) => restart(part)),
  fault("nginx", "reload", (part) => part.signal("SIGHUP")),
  fault("nginx", "SIGKILL", (part) => part.crash()),
  fault("nginx", "restart", (part) => restart(part)),
  ...[
    "user-service",
    "job-service",
    "payment-service",
    "notification-service",
    "chat-service",
    "pubsub-bridge",
  ].map((service) => fault(service, "SIGKILL", (part) => part.crash())),
];

/** Those of a short run, one of each kind of part. */
const QUICK = new Set([
  "websocket-server SIGKILL",
  "websocket-server-2 restart",
  "redis SIGKILL",
  "redis frozen",
  "postgres SIGKILL",
  "nginx reload",
  "nginx SIGKILL",
  "job-service SIGKILL",
  "pubsub-bridge SIGKILL",
]);

function fault(service, what, hit) {
  return { name: `${service} ${what}`, service, what, hit };
}

async function restart(part) {
  await part.stop();
  part.start();
}

async function away(part, ms) {
  await part.stop();
  await pause(ms);
  part.start();
}

async function freeze(part, ms) {
  const pid = part.signal("SIGSTOP");
  await pause(ms);
  // Only if it is still the same one.
  if (part.pid === pid) part.signal("SIGCONT");
}

/** The faults of a run. */
export class StackMayhem {
  /** `{name, at, well, clients}`: when, and after how long the part and all clients were back, milliseconds; null where they were not. */
  rows = [];
  forgotten = [];
  #stack;
  #chance;
  #quick;
  #open;
  #told;

  /** `open()`: how many clients are connected and how many there are; `told(text)` gets what is wrong. */
  constructor({ stack, chance, quick, open, told }) {
    this.#stack = stack;
    this.#chance = chance;
    this.#quick = quick;
    this.#open = open;
    this.#told = told;
  }

  /** Deals all faults like cards, again and again, for so long; each at least once, however long that takes. */
  async run(ms) {
    const deck = FAULTS.filter(
      ({ name, service }) => this.#stack.containers.has(service) && (!this.#quick || QUICK.has(name)),
    );
    const end = Date.now() + ms;
    for (let round = 0; round === 0 || Date.now() < end; round += 1) {
      for (const each of this.#chance.some(deck.length, deck)) {
        if (round > 0 && Date.now() >= end) return;
        await this.#hit(each);
        await pause(this.#chance.within(100, this.#quick ? 600 : 2_000));
      }
    }
  }

  async #hit({ name, service, what, hit }) {
    const part = this.#stack.containers.get(service);
    const at = Date.now();
    const starts = part.starts;
    const { open: before } = await this.#open();
    await hit(part, this.#chance);
    this.forgotten.push([at - LAZY, Date.now() + LAZY]);
    const row = { name, at, well: null, clients: null };
    this.rows.push(row);
    console.log(`${time(at)}  ${name}`);
    const since = Date.now();
    // A crashed one is brought back by whoever watches it.
    await eventually(() => part.status === "healthy" && (part.starts > starts || !ENDS.has(what)), BACK);
    if (part.status === "healthy") row.well = Date.now() - since;
    else this.#told(`${service} is ${part.status} ${BACK / 1_000} s after ${name}: ${part.tail()}`);
    const back = await eventually(async () => (await this.#open()).open >= before * BACK_AGAIN, BACK);
    if (back) row.clients = Date.now() - since;
    else this.#told(`${JSON.stringify(await this.#open())} ${BACK / 1_000} s after ${name}`);
  }

  /** What happened, by fault. */
  table() {
    const byName = new Map();
    for (const row of this.rows) byName.set(row.name, [...(byName.get(row.name) ?? []), row]);
    const seconds = (values) => {
      const known = values.filter((value) => value !== null);
      return known.length === 0 ? "never" : `${(Math.max(...known) / 1_000).toFixed(1)} s`;
    };
    const rows = [...byName].map(([name, all]) => [
      name,
      String(all.length),
      seconds(all.map(({ well }) => well)),
      seconds(all.map(({ clients }) => clients)),
    ]);
    return aligned([["fault", "times", "part well after", "clients back after"], ...rows]);
  }
}

/** Rows of texts, in columns. */
export function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Whether it holds within so long. */
async function eventually(holds, ms) {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) return false;
    await pause(50);
  }
  return true;
}
