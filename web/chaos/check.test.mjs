// The checker is believed when it says that nothing is wrong: so each fault that it is for is put into a small run by hand, and it has to
// find that one.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkPublications, checkServices, checkSight, Faults, joined } from "./check.mjs";

/** Three events in a channel, one of which is the user's too; one to everyone; one of the user's alone; and the last. */
function run() {
  const event = (n, places) => ({
    id: `id-${n}`,
    type: "chaos",
    what: `p/${n}`,
    data: { p: "p", n },
    places,
  });
  const order = [
    event(1, { "chaos:0": 1 }),
    event(2, { "chaos:0": 2 }),
    event(3, { "@all": 1 }),
    event(5, { "chaos:0": 3 }),
    { id: "id-end", type: "chaos_end", what: "{}", data: {}, places: { "@all": 2 } },
  ];
  const own = [event(2, { "user:7": 1 }), event(4, { "user:7": 2 })];
  const publication = (n, streams) => ({ p: "p", n, streams, id: `id-${n}`, tries: 1 });
  const publications = [
    publication(1, ["chaos:0"]),
    publication(2, ["chaos:0", "user:7", "chaos:0"]),
    publication(3, ["@all"]),
    publication(4, ["user:7"]),
    publication(5, ["chaos:0"]),
    { p: "end", n: 0, streams: ["@all"], id: "id-end", tries: 1 },
  ];
  const saw = (n, places, channel) => [`id-${n}`, "chaos", `p/${n}`, places, channel, "e"];
  const seen = [
    saw(1, { "chaos:0": 1 }, "chaos:0"),
    saw(2, { "chaos:0": 2, "user:7": 1 }, "chaos:0"),
    saw(3, { "@all": 1 }, "@all"),
    saw(4, { "user:7": 2 }, "user:7"),
    saw(5, { "chaos:0": 3 }, "chaos:0"),
    ["id-end", "chaos_end", "{}", { "@all": 2 }, "@all", "e"],
  ];
  const base = (stream) => [stream, { epoch: "e", offset: 0, from: 0 }];
  const sight = {
    name: "sdk-1",
    kind: "sdk",
    userId: 7,
    bases: ["chaos:0", "@all", "user:7"].map(base),
    events: [0, 1, 2, 3, 4, 5],
    wrong: [],
    tokens: [],
    story: [[0, 0, "open"]],
    ended: false,
    complete: true,
  };
  const merged = new Map([[7, ["id-1", "id-2", "id-3", "id-4", "id-5", "id-end"]]]);
  return { order, users: new Map([[7, own]]), publications, seen, sight, merged };
}

/** The kinds of faults that are found in a run, after it was changed. */
function found(change) {
  const it = run();
  change(it);
  const faults = new Faults();
  const whole = joined(it, faults);
  checkPublications(whole, it.publications, faults);
  const ids = (events) => events.map(({ id }) => id);
  const userOrder = new Map([...it.users].map(([userId, events]) => [userId, ids(events)]));
  const truth = { ...whole, order: ids(it.order), userOrder, merged: it.merged, forgotten: [[100, 200]] };
  checkSight(it.sight, it.seen, truth, "id-end", faults);
  return [...new Set(faults.lines().map((line) => line.split(":")[0]))];
}

describe("what a client saw", () => {
  it("is right as it is", () => {
    assert.deepEqual(
      found(() => {}),
      [],
    );
  });
  it("is right up to its end where the client was destroyed", () => {
    assert.deepEqual(
      found(({ sight }) => Object.assign(sight, { events: [0, 1], ended: true, complete: false })),
      [],
    );
  });
  it("is right from where a stream began for it", () => {
    const later = ({ sight }) => {
      sight.bases[0][1] = { epoch: "e", offset: 1, from: 0 };
      sight.events = [1, 2, 3, 4, 5];
    };
    assert.deepEqual(found(later), []);
  });
  it("lacks an event", () => {
    for (const at of [0, 1, 2, 4]) {
      assert.deepEqual(
        found(({ sight }) => sight.events.splice(at, 1)),
        ["missing"],
        `event ${at}`,
      );
    }
  });
  it("lacks an event of the user's alone", () => {
    assert.deepEqual(
      found(({ sight }) => sight.events.splice(3, 1)),
      ["missing"],
    );
  });
  it("lacks an event in the middle though the client was destroyed", () => {
    const destroyed = ({ sight }) => Object.assign(sight, { events: [0, 2], ended: true, complete: false });
    assert.deepEqual(found(destroyed), ["missing"]);
  });
  it("has an event twice", () => {
    assert.deepEqual(
      found(({ sight }) => sight.events.splice(3, 0, 1)),
      ["twice"],
    );
  });
  it("has two events the wrong way round", () => {
    assert.deepEqual(
      found(({ sight }) => sight.events.splice(0, 2, 1, 0)),
      ["order"],
    );
  });
  it("has an event of a channel and one of the user's the wrong way round", () => {
    assert.deepEqual(
      found(({ sight }) => sight.events.splice(3, 2, 4, 3)),
      ["order"],
    );
  });
  it("has an event that is in no history", () => {
    const ghost = ({ seen, sight }) => {
      seen.push(["id-9", "chaos", "p/9", { "chaos:0": 4 }, "chaos:0", "e"]);
      sight.events.splice(5, 0, 6);
    };
    assert.deepEqual(found(ghost), ["unpublished"]);
  });
  it("has an event from before the stream began for it", () => {
    const early = ({ sight }) => {
      sight.bases[0][1] = { epoch: "e", offset: 1, from: 0 };
    };
    assert.deepEqual(found(early), ["extra"]);
  });
  it("has an event with another content, another offset, without one of its places, in another epoch", () => {
    assert.deepEqual(
      found(({ seen }) => {
        seen[2][2] = "p/33";
      }),
      ["content"],
    );
    assert.deepEqual(
      found(({ seen }) => {
        seen[0][3] = { "chaos:0": 7 };
      }),
      ["place"],
    );
    assert.deepEqual(
      found(({ seen }) => {
        seen[1][3] = { "chaos:0": 2 };
      }),
      ["place"],
    );
    assert.deepEqual(
      found(({ seen }) => {
        seen[4][5] = "f";
      }),
      ["epoch"],
    );
  });
  it("ends before the end", () => {
    const stuck = ({ sight }) => Object.assign(sight, { events: [0, 1, 2, 3, 4], complete: false });
    assert.deepEqual(found(stuck), ["missing", "stuck"]);
  });
  it("has resumed with one token twice, and the hub did not crash right after the first time", () => {
    assert.deepEqual(
      found(({ sight }) => sight.tokens.push([50, 300])),
      ["token"],
    );
    assert.deepEqual(
      found(({ sight }) => sight.tokens.push([150, 300])),
      [],
    );
  });
  it("was interrupted by a gap", () => {
    assert.deepEqual(
      found(({ sight }) => sight.wrong.push([0, "a gap was told in chaos:0"])),
      ["client"],
    );
  });
});

describe("what is in history", () => {
  it("lacks what a publisher was told", () => {
    const lost = ({ publications }) =>
      publications.push({ p: "p", n: 6, streams: ["chaos:0"], id: "id-6", tries: 2 });
    assert.deepEqual(found(lost), ["lost"]);
  });
  it("may lack what a publisher gave up", () => {
    const given = ({ publications }) =>
      publications.push({ p: "p", n: 6, streams: [], id: null, abandoned: true });
    assert.deepEqual(found(given), []);
  });
  it("has what nobody published", () => {
    assert.deepEqual(
      found(({ publications }) => publications.splice(2, 1)),
      ["unpublished"],
    );
  });
  it("has a publication twice", () => {
    const doubled = ({ order, sight, seen, merged }) => {
      order.splice(4, 0, { ...order[3], id: "id-5b", places: { "chaos:0": 4 } });
      seen.push(["id-5b", "chaos", "p/5", { "chaos:0": 4 }, "chaos:0", "e"]);
      sight.events.splice(5, 0, 6);
      merged.get(7).splice(5, 0, "id-5b");
    };
    assert.ok(found(doubled).includes("doubled"));
  });
  it("has a publication under another id than was answered", () => {
    assert.deepEqual(
      found(({ publications }) => {
        publications[0].id = "id-0";
      }),
      ["identity"],
    );
  });
  it("has a publication in other streams than it was for", () => {
    assert.deepEqual(
      found(({ publications }) => {
        publications[0].streams = ["chaos:0", "user:7"];
      }),
      ["audience"],
    );
  });
  it("has a publisher's events in another order", () => {
    const swapped = ({ publications }) => {
      [publications[0].n, publications[1].n] = [2, 1];
    };
    assert.ok(found(swapped).length > 0);
    const turned = (it) => {
      for (const event of [it.order[0], it.seen[0]]) void event;
      const [first, second] = [it.order[0], it.order[1]];
      [first.what, second.what] = ["p/2", "p/1"];
    };
    assert.ok(found(turned).includes("order"));
  });
  it("has what came without an order as it came", () => {
    const turned = (it) => {
      [it.order[0].what, it.order[1].what] = ["p/2", "p/1"];
      for (const publication of it.publications) publication.unordered = true;
    };
    assert.ok(!found(turned).includes("order"));
  });
  it("has a hole in a stream's offsets", () => {
    const hole = ({ order }) => {
      order[3].places = { "chaos:0": 4 };
    };
    assert.ok(found(hole).includes("history"));
  });
});

describe("the services' events", () => {
  const data = { job_id: 3, employer_id: 7, worker_id: 8 };
  const paid = { payment_id: 5, ...data };
  const event = (type, of, places, number) => ({
    id: `${type}-${number ?? 0}`,
    type,
    data: of,
    what: JSON.stringify(of),
    places,
  });
  const all = () => ({
    order: [
      event("job_created", data, { "@all": 1 }),
      event("payment_held", { ...paid, worker_id: null }, { payments: 1 }),
      event("job_accepted", data, { jobs: 1 }),
      event("job_completed", data, { jobs: 2 }),
      event("payment_confirmed", paid, { payments: 2 }),
    ],
    users: new Map([
      [
        7,
        [
          event("user_registered", { user_id: 7 }, { "user:7": 1 }),
          event("payment_held", { ...paid, worker_id: null }, { "user:7": 2 }),
          event("job_accepted", data, { "user:7": 3 }),
          event("job_completed", data, { "user:7": 4 }),
          event("payment_confirmed", paid, { "user:7": 5 }),
        ],
      ],
      [
        8,
        [
          event("user_registered", { user_id: 8 }, { "user:8": 1 }, 8),
          event("job_accepted", data, { "user:8": 2 }),
          event("job_completed", data, { "user:8": 3 }),
          event("payment_confirmed", paid, { "user:8": 4 }),
        ],
      ],
    ]),
    jobs: [{ job_id: 3, status: "completed", worker_id: 8 }],
    payments: [{ payment_id: 5, job_id: 3, status: "released" }],
    balanced: "balanced",
    told: [[3, "completed"]],
    logins: { logins: 0, signIns: 0 },
  });

  function found(change) {
    const it = all();
    change(it);
    const faults = new Faults();
    checkServices(joined(it, faults), it, it.told, [{ userId: 7 }, { userId: 8 }], faults);
    return [...new Set(faults.lines().map((line) => line.split(":")[0]))];
  }

  it("are right as they are", () => {
    assert.deepEqual(
      found(() => {}),
      [],
    );
  });
  it("lack one, have one twice, or the wrong way round", () => {
    assert.deepEqual(
      found(({ jobs }) => {
        jobs[0].status = "refunded";
      }).sort(),
      ["job", "money"],
    );
    assert.deepEqual(
      found(({ order }) => {
        order.splice(0, 1);
      }),
      ["job"],
    );
    const twice = ({ order }) => order.push(event("job_completed", data, { jobs: 3 }, 2));
    assert.ok(found(twice).includes("job"));
    const swapped = ({ order }) => {
      [order[2].places, order[3].places] = [{ jobs: 2 }, { jobs: 1 }];
      [order[2], order[3]] = [order[3], order[2]];
    };
    assert.ok(found(swapped).includes("job"));
  });
  it("miss a party, or are of a job that is not there", () => {
    assert.deepEqual(
      found(({ users }) => users.get(8).splice(3, 1)),
      ["audience"],
    );
    assert.deepEqual(
      found(({ jobs, payments, told }) => [jobs, payments, told].map((list) => list.splice(0))),
      ["unpublished"],
    );
  });
  it("agree with the money", () => {
    assert.deepEqual(
      found((it) => {
        it.balanced = "off by 1.25";
      }),
      ["money"],
    );
    assert.ok(
      found(({ payments }) => {
        payments[0].status = "held";
      }).includes("money"),
    );
  });
  it("tell of each registration once", () => {
    assert.deepEqual(
      found(({ users }) => {
        users.get(8)[0].type = "user_logged_in";
      }),
      ["user"],
    );
    assert.deepEqual(
      found(({ logins }) => {
        Object.assign(logins, { logins: 1, signIns: 2 });
      }),
      ["user"],
    );
  });
  it("tell of each notification once, to its user", () => {
    const note = { id: 4, user_id: 8, type: "job_completed" };
    const told = (number) => event("notification", note, { "user:8": 4 + number }, number);
    assert.deepEqual(
      found(({ users }) => users.get(8).push(told(1))),
      [],
    );
    assert.deepEqual(
      found(({ users }) => users.get(8).push(told(1), told(2))),
      ["notification"],
    );
    assert.deepEqual(
      found(({ order }) => order.push({ ...told(1), places: { jobs: 3 } })),
      ["audience"],
    );
  });
  it("are all of a known type", () => {
    assert.deepEqual(
      found(({ order }) => order.push(event("job_stolen", data, { jobs: 3 }))),
      ["unpublished"],
    );
  });
});
