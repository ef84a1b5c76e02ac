// Whether all that was seen is what was published: pure comparison of what the publishers were told, what the hub has, what the services
// have, and what each client saw. Each difference is a line.

/** The most lines of one kind; how many more there are is told. */
const MOST = 12;

/** Lines by kind, a bounded number of each. */
export class Faults {
  #lines = [];
  #counts = new Map();

  add(kind, text) {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    if (count <= MOST) this.#lines.push(`${kind}: ${text}`);
  }

  get count() {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  lines() {
    const more = [...this.#counts].filter(([, count]) => count > MOST);
    return [...this.#lines, ...more.map(([kind, count]) => `${kind}: ${count - MOST} more like these`)];
  }
}

/** The events of services by the stream that everybody's are in, and who else gets them. */
const SERVICE_TYPES = {
  job_created: () => ["@all"],
  job_accepted: (data) => ["jobs", ...parties(data)],
  job_completed: (data) => ["jobs", ...parties(data)],
  job_refunded: (data) => ["jobs", ...parties(data)],
  payment_held: (data) => ["payments", ...parties(data)],
  payment_confirmed: (data) => ["payments", ...parties(data)],
  payment_refunded: (data) => ["payments", ...parties(data)],
  user_registered: ({ user_id: id }) => [`user:${id}`],
  user_logged_in: ({ user_id: id }) => [`user:${id}`],
  notification: ({ user_id: id }) => [`user:${id}`],
};

function parties({ employer_id: employer, worker_id: worker }) {
  return [employer, worker].filter((id) => id !== null && id !== undefined).map((id) => `user:${id}`);
}

/** The hub's truth: one list of what is in channels and `@all`, and one for each user; put together by id. */
export function joined({ order, users }, faults) {
  const byId = new Map();
  const streams = new Map();
  const note = (event, stream) => {
    const known = byId.get(event.id);
    if (known === undefined) byId.set(event.id, { ...event, places: { ...event.places } });
    else {
      if (known.what !== event.what) faults.add("history", `${event.id} is ${known.what} and ${event.what}`);
      Object.assign(known.places, event.places);
    }
    if (stream === undefined) return;
    if (!streams.has(stream)) streams.set(stream, []);
    streams.get(stream).push(event.id);
    if (event.places[stream] !== streams.get(stream).length) {
      faults.add(
        "history",
        `${stream}: ${event.id} has offset ${event.places[stream]}, and is number ${streams.get(stream).length}`,
      );
    }
  };
  for (const event of order)
    for (const stream of Object.keys(event.places)) if (!stream.startsWith("user:")) note(event, stream);
  for (const [id, events] of users) for (const event of events) note(event, `user:${id}`);
  for (const event of byId.values()) event.list = Object.entries(event.places);
  return { byId, streams };
}

/** Everything that was published is there once, where it should be, in its publisher's order; and nothing else is. */
export function checkPublications({ byId, streams }, publications, faults) {
  const wanted = new Map(
    publications.map((publication) => [`${publication.p}/${publication.n}`, publication]),
  );
  const found = new Map();
  for (const event of byId.values()) {
    if (event.type !== "chaos" && event.type !== "chaos_end") continue;
    const what = event.type === "chaos" ? event.what : "end/0";
    const publication = wanted.get(what);
    if (publication === undefined)
      faults.add("unpublished", `${what} (${event.id}) is in history, and nobody published it`);
    else if (found.has(what))
      faults.add("doubled", `${what} is in history as ${found.get(what).id} and ${event.id}`);
    else if (publication.id !== null && publication.id !== event.id) {
      faults.add("identity", `${what} was answered with ${publication.id}, and is in history as ${event.id}`);
    } else {
      const is = Object.keys(event.places).sort().join(" ");
      const should = [...new Set(publication.streams)].sort().join(" ");
      if (is !== should)
        faults.add("audience", `${what} (${event.id}) is in ${is}, and was published to ${should}`);
    }
    found.set(what, event);
  }
  for (const [what, publication] of wanted) {
    if (found.has(what) || publication.abandoned) continue;
    faults.add(
      "lost",
      `${what} was answered with ${publication.id} after ${publication.tries} tries, and is in no history (${publication.streams.join(", ")})`,
    );
  }
  for (const [stream, ids] of streams) {
    const last = new Map();
    for (const id of ids) {
      const { type, what } = byId.get(id);
      if (type !== "chaos") continue;
      // A call that was given up may be carried out late, and what comes by Pub/Sub has no order.
      if (wanted.get(what)?.abandoned || wanted.get(what)?.unordered) continue;
      const [p, n] = what.split("/");
      if (Number(n) <= (last.get(p) ?? 0))
        faults.add("order", `${stream}: ${what} stands behind ${p}/${last.get(p)}`);
      last.set(p, Number(n));
    }
  }
}

/** The services' events are those of their jobs, payments and users, each once and in order. */
export function checkServices({ byId, streams }, { jobs, payments, balanced, logins }, told, people, faults) {
  const byJob = new Map();
  const byPayment = new Map();
  const ofUser = new Map();
  const byNotification = new Map();
  const collect = (map, key, event) => map.set(key, [...(map.get(key) ?? []), event.type]);
  // In the order of the streams that all of them are in.
  for (const stream of ["@all", "jobs", "payments", ...people.map(({ userId }) => `user:${userId}`)]) {
    for (const id of streams.get(stream) ?? []) {
      const event = byId.get(id);
      const audience = SERVICE_TYPES[event.type]?.(event.data);
      if (audience === undefined) {
        if (event.type !== "chaos" && event.type !== "chaos_end") {
          faults.add("unpublished", `${event.id} in ${stream} is of the type ${event.type}: ${event.what}`);
        }
        continue;
      }
      if (stream !== audience[0]) {
        if (event.places[audience[0]] === undefined)
          faults.add("audience", `${event.type} ${event.what} is in ${stream}, and not in ${audience[0]}`);
        continue;
      }
      const known = new Set([...audience]);
      const is = Object.keys(event.places);
      if (is.length !== known.size || is.some((each) => !known.has(each))) {
        faults.add(
          "audience",
          `${event.type} ${event.what} is in ${is.join(" ")}, and should be in ${[...known].join(" ")}`,
        );
      }
      if (event.type.startsWith("job_")) collect(byJob, event.data.job_id, event);
      else if (event.type.startsWith("payment_")) collect(byPayment, event.data.payment_id, event);
      else if (event.type === "notification") collect(byNotification, event.data.id, event);
      else collect(ofUser, event.data.user_id, event);
    }
  }
  const same = (kind, what, is = [], should) => {
    if (is.join(" ") !== should.join(" "))
      faults.add(kind, `${what} was told as [${is.join(" ")}], and should be [${should.join(" ")}]`);
  };
  for (const [id, types] of byNotification) {
    if (types.length > 1) faults.add("notification", `notification ${id} was told ${types.length} times`);
  }
  const states = new Map(jobs.map((job) => [job.job_id, job.status]));
  for (const job of jobs) {
    const last = { completed: ["job_completed"], refunded: ["job_refunded"] }[job.status] ?? [];
    const accepted = job.worker_id === null ? [] : ["job_accepted"];
    same("job", `job ${job.job_id} (${job.status})`, byJob.get(job.job_id), [
      "job_created",
      ...accepted,
      ...last,
    ]);
  }
  for (const id of byJob.keys())
    if (!states.has(id)) faults.add("unpublished", `events of job ${id}, which does not exist`);
  for (const [id, state] of told) {
    const is = states.get(id);
    if (is !== state && !["open", "accepted"].includes(state))
      faults.add("job", `job ${id} was told as ${state}, and is ${is}`);
    if (is === undefined) faults.add("job", `job ${id} was told as ${state}, and does not exist`);
  }
  for (const payment of payments) {
    const last = { released: ["payment_confirmed"], refunded: ["payment_refunded"] }[payment.status] ?? [];
    same("payment", `payment ${payment.payment_id} (${payment.status})`, byPayment.get(payment.payment_id), [
      "payment_held",
      ...last,
    ]);
    const state = states.get(payment.job_id);
    const should = { completed: "released", refunded: "refunded", open: "held", accepted: "held" }[state];
    const voided = state === undefined && payment.status === "refunded";
    if (payment.status !== should && !voided) {
      faults.add(
        "money",
        `payment ${payment.payment_id} is ${payment.status}, and its job ${payment.job_id} is ${state}`,
      );
    }
  }
  if (balanced !== "balanced") faults.add("money", `the books are ${balanced}`);
  const signedIn = [...ofUser.values()].flat().filter((type) => type === "user_logged_in").length;
  // An answer that was lost may have been a sign-in or not.
  if (signedIn < logins.logins || signedIn > logins.signIns) {
    faults.add(
      "user",
      `${signedIn} sign-ins were told; ${logins.signIns} were tried, and ${logins.logins} answered`,
    );
  }
  for (const { userId } of people) {
    const registered = (ofUser.get(userId) ?? []).filter((type) => type === "user_registered").length;
    if (registered !== 1) faults.add("user", `user ${userId} was told as registered ${registered} times`);
  }
}

/**
 * What one client saw is what was in its streams since they began for it, once and in order. `truth.forgotten`: spans of which a hub that
 * crashed need not know which tokens were used. Returns how many events and how many of such tokens there were.
 */
export function checkSight(sight, seen, truth, end, faults) {
  const { byId, order, userOrder, merged, forgotten } = truth;
  const bases = new Map(sight.bases);
  const own = `user:${sight.userId}`;
  const where = (at) => storyOf(sight, at);
  const is = (id, wanted) => {
    for (const [stream, offset] of byId.get(id).list) {
      if (wanted(stream) && offset > (bases.get(stream)?.offset ?? Number.POSITIVE_INFINITY)) return true;
    }
    return false;
  };
  const got = [];
  for (const [at, number] of sight.events.entries()) {
    const [id, type, what, places, channel, epoch] = seen[number];
    const event = byId.get(id);
    if (event === undefined) {
      faults.add(
        "unpublished",
        `${sight.name} saw ${type} ${what} (${id}), which no history has; ${where(at)}`,
      );
      continue;
    }
    if (event.type !== type || event.what !== what)
      faults.add("content", `${sight.name} saw ${id} as ${type} ${what}`);
    for (const [stream, offset] of Object.entries(places)) {
      if (event.places[stream] !== offset) {
        faults.add(
          "place",
          `${sight.name} saw ${what} (${id}) at ${stream}/${offset}, and it is at ${event.places[stream]}; ${where(at)}`,
        );
      }
    }
    for (const [stream, base] of bases) {
      if (event.places[stream] > base.offset && base.from <= at && places[stream] === undefined) {
        faults.add(
          "place",
          `${sight.name} saw ${what} (${id}) without its place ${stream}/${event.places[stream]}; ${where(at)}`,
        );
      }
    }
    if (epoch !== bases.get(channel)?.epoch) {
      faults.add("epoch", `${sight.name} saw ${what} (${id}) in epoch ${epoch} of ${channel}; ${where(at)}`);
    }
    if (!is(id, () => true)) {
      faults.add(
        "extra",
        `${sight.name} saw ${what} (${id} at ${placesText(event)}), from before its streams began; ${where(at)}`,
      );
    }
    got.push([id, at]);
  }
  // Exactly once and in order, in each of these views; of one that was destroyed the first part.
  const compare = (view, wanted, expected) => {
    const had = got.filter(([id]) => is(id, wanted));
    const length = Math.max(had.length, sight.ended ? 0 : expected.length);
    for (let at = 0; at < length; at += 1) {
      if (had[at]?.[0] === expected[at]) continue;
      difference(view, had, expected, at);
      return;
    }
  };
  const difference = (view, had, expected, at) => {
    const name = (id) =>
      id === undefined
        ? "nothing"
        : `${byId.get(id).what.slice(0, 120)} (${id} at ${placesText(byId.get(id))})`;
    const [id, index = sight.events.length] = had[at] ?? [];
    const before = had.findIndex(([other]) => other === id);
    const later = had.findIndex(([other]) => other === expected[at]);
    let kind = "missing";
    if (id !== undefined && before < at) kind = "twice";
    else if (later > at) kind = "order";
    else if (id !== undefined && !expected.includes(id)) kind = "extra";
    const text = `${sight.name} ${view}: number ${at + 1} should be ${name(expected[at])}, and is ${name(id)}`;
    faults.add(kind, `${text}; ${had.length} seen of ${expected.length}; ${where(index)}`);
  };
  const inChannel = (stream) => stream !== own;
  compare(
    "in channels",
    inChannel,
    order.filter((id) => is(id, inChannel)),
  );
  compare(
    "in its own stream",
    (stream) => stream === own,
    (userOrder.get(sight.userId) ?? []).filter((id) => is(id, (stream) => stream === own)),
  );
  const both = merged.get(sight.userId);
  if (both)
    compare(
      "in all its streams",
      () => true,
      both.filter((id) => is(id, () => true)),
    );
  if (!sight.ended && !sight.complete)
    faults.add("stuck", `${sight.name} never saw the last event, ${end}; ${where(sight.events.length)}`);
  const excused = sight.tokens.filter(([taken]) =>
    forgotten.some(([from, to]) => taken >= from && taken <= to),
  );
  for (const [taken, again] of sight.tokens) {
    if (excused.some(([each]) => each === taken)) continue;
    faults.add(
      "token",
      `${sight.name} resumed with a token at ${time(taken)} and again at ${time(again)}; ${where(sight.events.length, again)}`,
    );
  }
  for (const [at, text] of sight.wrong)
    faults.add("client", `${sight.name} at ${time(at)}: ${text}; ${where(sight.events.length, at)}`);
  return { deliveries: got.length, tokens: excused.length };
}

function placesText({ places }) {
  return Object.entries(places)
    .map(([stream, offset]) => `${stream}/${offset}`)
    .join(" ");
}

export function time(at) {
  return new Date(at).toISOString().slice(11, 23);
}

/** The lines of a client's story about an event, or about a time. */
function storyOf({ story }, at, when) {
  const after = story.findIndex(([events, ms]) => (when === undefined ? events > at : ms > when));
  const to = after < 0 ? story.length : after + 2;
  const lines = story.slice(Math.max(0, to - 7), to);
  return `its story: ${lines.map(([events, ms, text]) => `${time(ms)} [${events}] ${text}`).join(" | ")}`;
}
