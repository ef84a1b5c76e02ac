// People who post, accept, complete and cancel jobs by HTTP, repeating calls with their Idempotency-Key until they are told an answer.
// What they cause is told by the services themselves, through their relays.

import { setTimeout as pause } from "node:timers/promises";
import { Chance } from "./chance.mjs";
import { serve, tell } from "./children.mjs";
import { call } from "./http.mjs";
import { Tokens } from "./tokens.mjs";

/** How long a call is repeated, milliseconds, before that is a fault. */
const DEFINITE = 120_000;

let settings;
let over = false;
let running = [];
/** The states that people were told of: by job. */
const told = new Map();
const counts = { jobs: 0, calls: 0, repeats: 0, logins: 0, signIns: 0 };
const tokens = new Map();

serve({
  /** `{seed, services: {user, job}, pairs, pace, employers, workers}`. */
  start(given) {
    settings = given;
    for (let pair = 0; pair < given.pairs; pair += 1) running.push(work(pair));
    running = running.map((each) => each.catch((error) => tell("fault", `people ended: ${error.stack}`)));
  },
  counts: () => ({ ...counts }),
  /** The jobs that people were told of, with the last state of each. */
  async stop() {
    over = true;
    await Promise.all(running);
    return [...told];
  },
});

async function work(pair) {
  const chance = new Chance(settings.seed, `people/${pair}`);
  for (let n = 1; !over; n += 1) {
    await pause(chance.within(0, 2 * settings.pace));
    const employer = chance.of(settings.employers);
    const worker = chance.of(settings.workers);
    // On another device, which is told to the user.
    if (chance.happens(0.1))
      await tokensOf(worker)
        .get("expiring")
        .catch(() => {});
    const end = chance.weighted({ complete: 4, cancel: 2, cancelEarly: 1, expire: 1 });
    const body = { title: `job ${pair}/${n}`, pay_amount_usd: 1.25, job_type: "other" };
    if (end === "expire") body.deadline = new Date(Date.now() + 3_000).toISOString();
    const key = `${pair}-${n}`;
    const posted = await insist(chance, employer, "/jobs", `${key}-post`, body);
    // The deadline passed while the services were away.
    if (posted.status === 422 && end === "expire") continue;
    if (posted.status !== 201) {
      tell("fault", `posting ${key} was answered ${posted.status}: ${posted.text.slice(0, 300)}`);
      continue;
    }
    counts.jobs += 1;
    const id = posted.json.job_id;
    told.set(id, "open");
    if (end !== "cancelEarly") {
      const accepted = await insist(chance, worker, `/jobs/${id}/accept`, `${key}-accept`);
      if (accepted.status === 200) told.set(id, "accepted");
      else if (!(accepted.status === 409 && end === "expire")) {
        tell("fault", `accepting job ${id} was answered ${accepted.status}: ${accepted.text.slice(0, 300)}`);
      }
    }
    if (end === "expire") continue;
    const step = end === "complete" ? "complete" : "cancel";
    const done = await insist(chance, employer, `/jobs/${id}/${step}`, `${key}-${step}`);
    if (done.status !== 200) {
      tell("fault", `${step} of job ${id} was answered ${done.status}: ${done.text.slice(0, 300)}`);
    } else told.set(id, step === "complete" ? "completed" : "refunded");
  }
}

/** Repeats a call until it has a definite answer: anything but silence, 5xx, 429, and 409 for a key in flight. */
async function insist(chance, who, path, key, body) {
  const end = Date.now() + DEFINITE;
  let why = "connect";
  for (;;) {
    try {
      const token = await tokensOf(who).get(why);
      counts.calls += 1;
      const answer = await call(settings.services.job, "POST", path, {
        token,
        headers: { "idempotency-key": key },
        body,
      });
      const inFlight = answer.status === 409 && answer.json?.code === "idempotency_key_in_flight";
      if (answer.status === 401 && why !== "unauthorized") why = "unauthorized";
      else if (answer.status < 500 && answer.status !== 429 && !inFlight) return answer;
    } catch {
      // No answer, or no token: once more.
    }
    if (Date.now() > end) throw new Error(`POST ${path} had no definite answer within ${DEFINITE / 1000} s`);
    counts.repeats += 1;
    await pause(chance.within(50, 600));
  }
}

function tokensOf(who) {
  if (!tokens.has(who.email)) tokens.set(who.email, new Tokens(settings.services.user, who, counts));
  return tokens.get(who.email);
}
