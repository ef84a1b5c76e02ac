// What happens to hub, services and network during a run, drawn from the seed, until it is told to stop. Three sequences go on beside each
// other; now and then all of them rest, and how long events take is measured.

import { setTimeout as pause } from "node:timers/promises";
import { Chance } from "./chance.mjs";
import { call } from "./http.mjs";

/** How often everything rests, for how long it settles, and for how long is measured then, milliseconds. */
const EVERY = 30_000;
const SETTLE = 4_000;
const MEASURED = 3_000;

/** What nobody waits for, such as that a token was used, is on disk a moment later: so long before a crash it may not be, milliseconds. */
const LAZY = 500;

/** How often a server is started before it is given up. */
const STARTS = 30;

/** What happens to the hub, as often as it stands here. */
const HUB_FAULTS = [
  "kill",
  "kill",
  "kill",
  "again",
  "drain",
  "drain",
  "freeze",
  "full",
  "full",
  "broken",
  "power",
  "power",
];
const DISK_FAULTS = new Set(["full", "broken", "power"]);

/** The faults of a run. */
export class Mayhem {
  counts = {
    hubKills: 0,
    hubKillsInStart: 0,
    serviceKills: 0,
    drains: 0,
    serviceStops: 0,
    freezes: 0,
    diskFull: 0,
    diskBroken: 0,
    powerCuts: 0,
    massCuts: 0,
    massStalls: 0,
  };
  /** Spans of rest that were measured. */
  calm = [];
  /** Spans before crashes of which the hub need not know what nobody waited for: these before it, and those of a disk that failed. */
  forgotten = [];
  longestDrain = 0;
  #seed;
  #hub;
  #services;
  #disk;
  #passage;
  #clients;
  #channels;
  #told;
  #pace;
  #over = false;
  #rest = null;
  #busy = new Set();
  #cards = [];
  #dealt = false;

  /** `disk` may be null; pauses between faults are divided by `pace`; `told(text)` gets what is wrong. */
  constructor({ seed, pace, hub, services, disk, passage, clients, channels, told }) {
    this.#seed = seed;
    this.#pace = pace;
    this.#hub = hub;
    this.#services = services;
    this.#disk = disk;
    this.#passage = passage;
    this.#clients = clients;
    this.#channels = channels;
    this.#told = told;
  }

  /** Goes on for so long; then everything is up and well again. */
  async run(ms) {
    const end = Date.now() + ms;
    await this.#passage.ask("calm", false);
    const loops = [
      this.#loop("hub", [1_500, 7_000], (chance) => this.#hitHub(chance)),
      this.#loop("network", [1_000, 5_000], (chance) => this.#hitNetwork(chance)),
    ];
    if (this.#services.length > 0) {
      loops.push(this.#loop("services", [800, 4_000], (chance) => this.#hitService(chance)));
    }
    // The first rest comes early, so that a short run has one.
    for (let rest = Date.now() + EVERY / 3; rest + SETTLE + MEASURED < end; rest += EVERY) {
      await this.#until(rest);
      await this.#breathe();
    }
    await this.#until(end);
    this.#over = true;
    await Promise.all(loops);
    this.#disk?.heal();
    await this.#passage.ask("calm", true);
  }

  async #until(time) {
    if (time > Date.now()) await pause(time - Date.now());
  }

  async #breathe() {
    let free;
    this.#rest = new Promise((resolve) => {
      free = resolve;
    });
    while (this.#busy.size > 0) await pause(20);
    await this.#passage.ask("calm", true);
    await pause(SETTLE);
    const from = Date.now();
    await pause(MEASURED);
    // The last ones have the time to arrive.
    this.calm.push([from, Date.now() - 500]);
    await this.#passage.ask("calm", false);
    this.#rest = null;
    free();
  }

  async #loop(name, [low, high], hit) {
    const chance = new Chance(this.#seed, `faults/${name}`);
    while (!this.#over) {
      await pause(chance.within(low, high) / this.#pace);
      await this.#rest;
      if (this.#over) return;
      this.#busy.add(name);
      try {
        await hit(chance);
      } finally {
        this.#busy.delete(name);
      }
    }
  }

  async #hitHub(chance) {
    // Dealt like cards, so that each comes; at first each once.
    if (this.#cards.length === 0) {
      const kinds = this.#disk ? HUB_FAULTS : HUB_FAULTS.filter((kind) => !DISK_FAULTS.has(kind));
      this.#cards = chance.some(kinds.length, this.#dealt ? kinds : [...new Set(kinds)]);
      this.#dealt = true;
    }
    const what = this.#cards.pop();
    const hub = this.#hub;
    if (what === "freeze") {
      this.counts.freezes += 1;
      return hub.freeze(chance.within(300, 4_000));
    }
    if (what === "full" || what === "broken") return this.#spoilDisk(chance, what);
    if (what === "drain") {
      this.counts.drains += 1;
      this.longestDrain = Math.max(this.longestDrain, await hub.terminate());
    } else {
      this.counts.hubKills += 1;
      this.forgotten.push([Date.now() - LAZY, Date.now() + LAZY]);
      await hub.kill();
    }
    if (what === "power") {
      this.counts.powerCuts += 1;
      this.#disk.cut(chance);
    }
    await pause(chance.within(0, 1_200));
    if (what === "again") {
      this.counts.hubKillsInStart += 1;
      await this.#killInStart(chance, hub);
    }
    await this.#up(hub);
  }

  /** Writes or syncs fail for a while; the hub says so to publishers, and goes on serving. */
  async #spoilDisk(chance, what) {
    this.counts[what === "full" ? "diskFull" : "diskBroken"] += 1;
    this.#disk.fail(what, chance.below(12));
    const from = Date.now();
    await pause(chance.within(600, 3_000));
    try {
      const health = await call(this.#hub.url, "GET", "/health");
      if (health.status !== 200)
        this.#told(`with a disk that is ${what} /health is ${health.status} ${health.text}`);
    } catch (error) {
      this.#told(`with a disk that is ${what} the hub does not answer /health: ${error.message}`);
    }
    const then = chance.weighted({ heal: 4, kill: 1, power: 1, start: 1 });
    if (then !== "heal") {
      this.counts.hubKills += 1;
      this.forgotten.push([from - LAZY, Date.now() + LAZY]);
      await this.#hub.kill();
    }
    if (then === "power") {
      this.counts.powerCuts += 1;
      this.#disk.cut(chance);
    }
    // With such a disk it may refuse to start; it must not start and forget.
    if (then === "start" && !(await this.#hub.start({ mayFail: true }))) await pause(100);
    this.#disk.heal();
    if (then !== "heal" && !this.#hub.runs) await this.#up(this.#hub);
  }

  async #killInStart(chance, part) {
    const started = part.start({ mayFail: true });
    await pause(chance.within(0, 400));
    this.forgotten.push([Date.now() - LAZY, Date.now() + LAZY]);
    await part.kill();
    await started;
  }

  async #hitService(chance) {
    const part = chance.of(this.#services);
    const what = chance.weighted({ kill: 5, again: 1, stop: 2, freeze: 2 });
    if (what === "freeze") {
      this.counts.freezes += 1;
      return part.freeze(chance.within(300, 4_000));
    }
    if (what === "stop") {
      this.counts.serviceStops += 1;
      await part.terminate();
    } else {
      this.counts.serviceKills += 1;
      await part.kill();
    }
    await pause(chance.within(0, 1_200));
    if (what === "again") await this.#killInStart(chance, part);
    await this.#up(part);
  }

  async #hitNetwork(chance) {
    const what = chance.weighted({ cut: 2, stall: 2, breakOff: 2, remake: 3, follow: 1 });
    const some = (most) => Promise.all(this.#clients.map((each) => each.ask(what, 1 + chance.below(most))));
    if (what === "cut") {
      this.counts.massCuts += 1;
      await this.#passage.ask("cut", chance.within(0.2, 1));
    } else if (what === "stall") {
      this.counts.massStalls += 1;
      await this.#passage.ask("stall", chance.within(200, 4_000));
    } else if (what === "breakOff") await some(10);
    else if (what === "remake") await some(4);
    else {
      const follow = { count: 1 + chance.below(5), channels: this.#channels };
      await Promise.all(this.#clients.map((each) => each.ask("follow", follow)));
    }
  }

  /** Starts a server until it answers. */
  async #up(part) {
    for (let tries = 0; tries < STARTS; tries += 1) {
      if (await part.start()) return;
      await pause(200);
    }
    throw new Error(`${part.name} can't be started: ${part.tail(10)}`);
  }
}
