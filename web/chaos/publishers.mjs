// The direct publishers: each has one call open at a time, repeats what was refused, cut or not answered until it is told an answer, and
// so knows at the end what was published and in which order. Some give up instead; of those it may be or not be.

import { writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Chance } from "./chance.mjs";
import { serve, tell } from "./children.mjs";
import { call } from "./http.mjs";

/** The most items of a batch. */
const BATCH = 25;

/** How long a call is repeated, milliseconds, before that is a fault. */
const DEFINITE = 120_000;

let settings;
let over = false;
let running = [];
/** Whose turn it is among several hubs: the next one's when one does not take it. */
let turn = 0;
const publications = [];
const counts = { published: 0, refused: 0, silent: 0, repeats: 0, again: 0, abandoned: 0, statuses: {} };

serve({
  /** `{seed, hub, key, singles, batches, rate, channels, users}`; `hub` may be a list, of which one is asked at a time. */
  start(given) {
    settings = given;
    const { singles, batches, rate } = given;
    // A batch counts for what it has on average.
    const each = (singles + batches) / rate;
    for (let number = 0; number < singles; number += 1) running.push(publishSingles(`s${number}`, each));
    for (let number = 0; number < batches; number += 1) {
      running.push(publishBatches(`b${number}`, (each * (BATCH + 1)) / 2));
    }
    running = running.map((each) =>
      each.catch((error) => tell("fault", `a publisher ended: ${error.stack}`)),
    );
  },
  counts: () => ({ ...counts }),
  /** No more after those that are under way; waits for these. */
  async stop() {
    over = true;
    await Promise.all(running);
  },
  /** The last event of the run, to everyone. */
  async end() {
    const chance = new Chance(settings.seed, "end");
    const [publication] = [make("end", 0, chance, { type: "chaos_end", streams: ["@all"], targets: {} })];
    await insist(chance, () => single(publication), `the last event`);
    return publication.id;
  },
  write(file) {
    const value = publications.map(({ body, ...rest }) => rest);
    writeFileSync(file, JSON.stringify(value));
  },
});

async function publishSingles(p, seconds) {
  const chance = new Chance(settings.seed, `publisher/${p}`);
  const recent = [];
  for (let n = 1; !over; n += 1) {
    await pause(chance.within(0, 2_000 * seconds));
    const publication = make(p, n, chance);
    const mayGiveUp = chance.happens(0.1);
    await insist(chance, () => single(publication), `${p}/${n}`, mayGiveUp && publication);
    if (publication.id) recent.push(publication);
    if (recent.length > 20) recent.shift();
    // Once more, long after it was told: nothing is sent, and the answer is the first one.
    if (recent.length > 0 && chance.happens(0.04)) await repeat(chance, chance.of(recent));
  }
}

async function publishBatches(p, seconds) {
  const chance = new Chance(settings.seed, `publisher/${p}`);
  for (let n = 1; !over; ) {
    await pause(chance.within(0, 2_000 * seconds));
    const count = 1 + chance.below(BATCH);
    const items = Array.from({ length: count }, (_, at) => make(p, n + at, chance));
    n += count;
    await insist(chance, () => batch(items), `${p}/${n}`);
  }
}

/** What is to be published, and where it has to appear. */
function make(p, n, chance, { type = "chaos", ...audience } = {}) {
  const { streams, targets } = audience.streams ? audience : audienceOf(chance);
  const at = Date.now();
  const pad = chance.happens(0.03) ? "x".repeat(Math.floor(chance.spread(500, 40_000))) : undefined;
  const body = { type, data: { p, n, at, ...(pad ? { pad } : {}) }, ...targets };
  const publication = {
    p,
    n,
    type,
    streams,
    key: `${settings.seed}-${p}-${n}`,
    at,
    body,
    id: null,
    tries: 0,
  };
  publications.push(publication);
  return publication;
}

/** Everyone; or channels and users that overlap, also named twice. */
function audienceOf(chance) {
  const { channels, users } = settings;
  const kind = chance.weighted({ one: 50, several: 20, users: 12, both: 14, all: 4 });
  if (kind === "all") return { streams: ["@all"], targets: {} };
  const named = kind === "users" ? [] : chance.some(kind === "one" ? 1 : 1 + chance.below(3), channels);
  const people = kind === "users" || kind === "both" ? chance.some(1 + chance.below(3), users) : [];
  const targets = {};
  if (named.length === 1 && chance.happens(0.7)) targets.channel = named[0];
  else if (named.length > 0) targets.channels = chance.happens(0.2) ? [...named, named[0]] : named;
  if (people.length === 1) targets.user_id = people[0];
  else if (people.length > 0) targets.user_ids = people;
  return { streams: [...named, ...people.map((id) => `user:${id}`)], targets };
}

/** Repeats a try until it says that it is done. With a publication to give up it tries once. */
async function insist(chance, attempt, what, mayGiveUp) {
  const end = Date.now() + DEFINITE;
  for (;;) {
    const wait = await attempt();
    if (wait === 0) return;
    if (mayGiveUp) {
      mayGiveUp.abandoned = true;
      counts.abandoned += 1;
      return;
    }
    if (Date.now() > end) {
      tell("fault", `${what} could not be published within ${DEFINITE / 1000} s`);
      throw new Error(`${what} could not be published`);
    }
    counts.repeats += 1;
    await pause(wait * chance.within(0.5, 1));
  }
}

/** One try of one publication: 0, or milliseconds until the next. */
async function single(publication) {
  publication.tries += 1;
  publication.sent ??= Date.now();
  const headers = { "idempotency-key": publication.key };
  const answer = await post("/broadcast", publication.body, headers);
  if (answer === null) return 200;
  if (answer.status === 200) return accepted(publication, answer.json);
  return refused(answer, `${publication.p}/${publication.n}`);
}

/** One try of what is left of a batch, with now and then an item on its own: a key is one, wherever it stands. */
async function batch(items) {
  const left = items.filter(({ id }) => id === null);
  if (left.length === 0) return 0;
  if (left[0].tries > 0 && left[0].n % 3 === 0) {
    const wait = await single(left[0]);
    if (wait !== 0) return wait;
    left.shift();
    if (left.length === 0) return 0;
  }
  for (const item of left) {
    item.tries += 1;
    item.sent ??= Date.now();
  }
  const body = left.map((item) => ({ ...item.body, idempotency_key: item.key }));
  const answer = await post("/broadcast/batch", body);
  if (answer === null) return 200;
  const what = `a batch from ${left[0].p}/${left[0].n}`;
  if (answer.status !== 200) return refused(answer, what);
  if (!Array.isArray(answer.json) || answer.json.length !== left.length) {
    tell("fault", `${what}: ${left.length} items, and the answer ${answer.text.slice(0, 200)}`);
    return 1_000;
  }
  let wait = 0;
  for (const [at, each] of answer.json.entries()) {
    if (each.success === true) {
      if (wait > 0) tell("fault", `${what}: item ${at} was taken after one that was refused`);
      accepted(left[at], each);
    } else if (each.status === 429 || each.status === 503) {
      counts.refused += 1;
      note(each.status, each.error?.code);
      wait = 300;
    } else tell("fault", `${what}: item ${at} was answered ${JSON.stringify(each)}`);
  }
  return wait;
}

function accepted(publication, { success, id }) {
  const { p, n } = publication;
  if (success !== true || typeof id !== "string") {
    tell("fault", `${p}/${n} was answered 200 with ${JSON.stringify({ success, id })}`);
    return 1_000;
  }
  if (publication.id === null) {
    publication.id = id;
    publication.answered = Date.now();
    counts.published += 1;
  } else if (publication.id !== id) {
    tell("fault", `${p}/${n} was answered with ${publication.id}, and repeated with ${id}`);
  }
  return 0;
}

function refused({ status, headers, json, text }, what) {
  if (status !== 503 && status !== 429) {
    tell("fault", `${what} was answered ${status}: ${text.slice(0, 300)}`);
    return 1_000;
  }
  const after = Number(headers["retry-after"]);
  if (!(after >= 0))
    tell("fault", `${what} was answered ${status} without Retry-After: ${text.slice(0, 200)}`);
  if (typeof json?.code !== "string")
    tell("fault", `${what} was answered ${status} without a code: ${text.slice(0, 200)}`);
  counts.refused += 1;
  note(status, json?.code);
  return Math.min(after * 1_000 || 300, 1_000);
}

/** Another time what was accepted before. */
async function repeat(chance, publication) {
  counts.again += 1;
  await insist(chance, () => single(publication), `${publication.p}/${publication.n} once more`);
}

async function post(path, body, headers = {}) {
  const hubs = [settings.hub].flat();
  try {
    const answer = await call(hubs[turn % hubs.length], "POST", path, { key: settings.key, headers, body });
    if (answer.status === 503) turn += 1;
    return answer;
  } catch {
    turn += 1;
    counts.silent += 1;
    return null;
  }
}

function note(status, code) {
  const name = `${status} ${code}`;
  counts.statuses[name] = (counts.statuses[name] ?? 0) + 1;
}
