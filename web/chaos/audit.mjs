// The truth of a run, asked of the servers when all is quiet: every stream from its first event on, by replay and by `history`, the
// jobs, the payments. Not here: what it is compared with (check.mjs).

import WebSocket from "ws";
import { call } from "./http.mjs";
import { whatOf } from "./sight.mjs";

/** How long a replay may stand still, milliseconds. */
const PATIENCE = 30_000;

/** How many connections at once. */
const AT_ONCE = 8;

/** The most events that are replayed to see how users' streams lie between the others. */
const MERGED = 400_000;

/**
 * One recoverable connection, straight to the hub. `from`: positions; it is read until each of these streams is at the end that the
 * answer tells. Gives the positions told and the events.
 */
function replay({ hub, token, channels, from = {} }) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${hub}/ws?token=${token}`);
    const events = [];
    const left = new Map();
    let positions = null;
    let heard = Date.now();
    const timer = setInterval(() => {
      if (Date.now() - heard > PATIENCE)
        done(new Error(`a replay stood still; missing up to ${JSON.stringify([...left])}`));
    }, 1_000);
    const done = (error) => {
      clearInterval(timer);
      socket.removeAllListeners("close");
      socket.terminate();
      if (error) reject(error);
      else resolve({ positions, events });
    };
    const reached = (stream, offset) => {
      if (offset >= (left.get(stream) ?? Number.POSITIVE_INFINITY)) left.delete(stream);
    };
    socket.on("error", done);
    socket.on("close", (code, reason) => done(new Error(`an auditor was closed ${code} ${reason}`)));
    socket.on("message", (bytes) => {
      heard = Date.now();
      const frame = JSON.parse(bytes.toString());
      if (frame.type === "connected") {
        const given = Object.keys(from).length > 0 ? { positions: from } : {};
        socket.send(JSON.stringify({ type: "subscribe", channels, recoverable: true, ...given }));
      } else if (frame.type === "subscribed") {
        positions = frame.data.positions;
        for (const stream of Object.keys(from)) {
          const { offset = 0, recovered } = positions[stream] ?? {};
          if (recovered && offset > from[stream].offset) left.set(stream, offset);
        }
        if (left.size === 0) done();
      } else if (frame.type === "error")
        done(new Error(`an auditor was refused: ${JSON.stringify(frame.data)}`));
      else if (positions && frame.offset !== undefined) {
        events.push(frame);
        for (const [stream, offset] of Object.entries({ ...frame.also, [frame.channel]: frame.offset })) {
          reached(stream, offset);
        }
        if (left.size === 0) done();
      }
    });
  });
}

/** Does something for each of a list, a few at once. */
export async function forEach(list, run, atOnce = AT_ONCE) {
  const left = [...list];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left.length > 0) await run(left.shift());
    }),
  );
}

/** Looks at the hub for a run. `users`: `{userId, token(), userType}`; the first is an employer, who may follow everything. */
export class Auditor {
  #hub;
  #channels;
  users;
  /** The epoch of each stream when the run began. */
  epochs = new Map();

  constructor({ hub, channels, users }) {
    this.#hub = hub;
    this.#channels = channels;
    this.users = users;
  }

  /** Notes the epochs, before anything is published. */
  async begin() {
    const note = ({ positions }) => {
      for (const [stream, { epoch }] of Object.entries(positions)) this.epochs.set(stream, epoch);
    };
    const [first] = this.users;
    note(await replay({ hub: this.#hub, token: await first.token(), channels: this.#channels }));
    await forEach(this.users, async (user) => {
      note(await replay({ hub: this.#hub, token: await user.token(), channels: [] }));
    });
  }

  /** What the hub has: `{order, users, merged, faults}`. */
  async truth() {
    const faults = [];
    const [first] = this.users;
    const start = (streams) =>
      Object.fromEntries(streams.map((stream) => [stream, { epoch: this.epochs.get(stream), offset: 0 }]));
    const recovered = (streams, positions) => {
      for (const stream of streams) {
        if (positions[stream]?.recovered === true) continue;
        const told = JSON.stringify(positions[stream]);
        faults.push(
          `${stream} can't be read from its beginning, epoch ${this.epochs.get(stream)}: told is ${told}`,
        );
      }
    };
    const all = ["@all", ...this.#channels];
    const whole = await replay({
      hub: this.#hub,
      token: await first.token(),
      channels: this.#channels,
      from: start(all),
    });
    recovered(all, whole.positions);
    const order = whole.events.map(truthOf);
    await this.#compareHistory(order, await first.token(), faults);
    const users = new Map();
    const merged = new Map();
    let budget = MERGED;
    await forEach(this.users, async (user) => {
      const own = `user:${user.userId}`;
      const token = await user.token();
      const { positions, events } = await replay({ hub: this.#hub, token, channels: [], from: start([own]) });
      recovered([own], positions);
      users.set(user.userId, events.filter((event) => placesOf(event)[own] !== undefined).map(truthOf));
      budget -= order.length;
      if (budget < 0) return;
      const channels = this.#channels.filter(
        (channel) => channel !== "payments" || user.userType === "employer",
      );
      const both = await replay({ hub: this.#hub, token, channels, from: start([own, "@all", ...channels]) });
      merged.set(
        user.userId,
        both.events.map(({ id }) => id),
      );
    });
    return { order, users, merged, faults };
  }

  /** What `history` shows of each channel is what replay gives. */
  async #compareHistory(order, token, faults) {
    await forEach(this.#channels, async (channel) => {
      const pages = await history(this.#hub, token, channel);
      const shown = pages.map(({ id, offset }) => `${id}@${offset}`).reverse();
      const told = order
        .filter(({ places }) => places[channel] !== undefined)
        .map(({ id, places }) => `${id}@${places[channel]}`);
      const at = told.findIndex((each, index) => each !== shown[index]);
      if (at >= 0 || shown.length !== told.length) {
        faults.push(
          `history of ${channel} (${shown.length} events) and its replay (${told.length}) differ, first at ${at}: ${shown[at]} and ${told[at]}`,
        );
      }
    });
  }
}

/** All of a channel's history, newest first. */
function history(hub, token, channel) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${hub}/ws?token=${token}`);
    const events = [];
    const timer = setTimeout(() => done(new Error(`no history of ${channel} in time`)), PATIENCE * 2);
    const done = (error) => {
      clearTimeout(timer);
      socket.removeAllListeners("close");
      socket.terminate();
      if (error) reject(error);
      else resolve(events);
    };
    const ask = (before) => socket.send(JSON.stringify({ type: "history", channel, limit: 500, ...before }));
    socket.on("error", done);
    socket.on("close", (code) => done(new Error(`history of ${channel} was closed ${code}`)));
    socket.on("message", (bytes) => {
      const { type, data } = JSON.parse(bytes.toString());
      if (type === "connected") ask({});
      else if (type === "error") done(new Error(`history of ${channel}: ${JSON.stringify(data)}`));
      else if (type === "history") {
        events.push(...data.events);
        if (data.more && data.events.length > 0) ask({ before: data.events.at(-1).offset });
        else done();
      }
    });
  });
}

function placesOf({ channel, offset, also }) {
  return { ...also, [channel]: offset };
}

function truthOf(event) {
  const { id, type, data } = event;
  return { id, type, data, what: whatOf(event), places: placesOf(event) };
}

/** The jobs and payments that the services have; `users` as above. */
export async function books({ job, payment, health, users }) {
  const [first] = users;
  const jobs = await pages(job, "/jobs?", await first.token());
  const payments = new Map();
  await forEach(
    users.filter(({ userType }) => userType === "employer"),
    async (user) => {
      for (const each of await pages(payment, "/payments?", await user.token()))
        payments.set(each.payment_id, each);
    },
  );
  const { json } = await call(health, "GET", "/health");
  return { jobs, payments: [...payments.values()], balanced: json?.books };
}

async function pages(base, path, token) {
  const items = [];
  let next = null;
  do {
    const cursor = next === null ? "" : `&cursor=${encodeURIComponent(next)}`;
    const answer = await call(base, "GET", `${path}limit=100${cursor}`, { token });
    if (answer.status !== 200) throw new Error(`GET ${path} was answered ${answer.status}: ${answer.text}`);
    items.push(...answer.json.items);
    next = answer.json.next;
  } while (next !== null);
  return items;
}
