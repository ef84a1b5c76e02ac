// A process with a number of clients: makes them, destroys them, lets them misbehave, and hands over what they saw.

import { writeFileSync } from "node:fs";
import { Chance } from "./chance.mjs";
import { serve } from "./children.mjs";
import { ContractClient } from "./contract-client.mjs";
import { EventsClient } from "./events-client.mjs";
import { SdkClient } from "./sdk-client.mjs";
import { Sights } from "./sight.mjs";
import { Tokens } from "./tokens.mjs";

/** Of how many events one tells how long it took. */
const SAMPLED = 4;

const KINDS = { sdk: SdkClient, contract: ContractClient, events: EventsClient };

const sights = new Sights();
const clients = new Map();
const counts = {
  connections: 0,
  recoveries: 0,
  resumes: 0,
  refused: 0,
  takeovers: 0,
  remade: 0,
  logins: 0,
  signIns: 0,
  seen: 0,
};
/** When an event was published, and how long it took, milliseconds. */
const taken = [];
const tokens = new Map();
let settings;
let createClient;
let chance;
let mischief;

serve({
  /** `{seed, name, sdk, hub, users, members}`: `hub` is the address of `/ws`, `users` that of the user service. */
  async start(given) {
    settings = given;
    chance = new Chance(given.seed, given.name);
    ({ createClient } = await import(given.sdk));
    for (const member of given.members) make(member);
    const round = () => {
      mischief = setTimeout(round, chance.within(50, 1_000));
      const some = [...clients.values()].filter((client) => client.mischief);
      if (some.length > 0 && chance.happens(0.25)) chance.of(some).mischief();
    };
    mischief = setTimeout(round, 5_000);
  },
  /** Destroys clients, and makes them anew after a while. */
  remake(count) {
    for (const name of chance.some(count, [...clients.keys()])) {
      const client = clients.get(name);
      const { member } = client.sight;
      client.destroy();
      clients.delete(name);
      counts.remade += 1;
      setTimeout(() => make(member), chance.within(0, 1_500));
    }
  },
  /** Connections break off on the clients' side. */
  breakOff(count) {
    for (const name of chance.some(count, [...clients.keys()])) clients.get(name).breakOff();
  },
  /** Some follow one channel more. */
  follow({ count, channels }) {
    for (const name of chance.some(count, [...clients.keys()])) {
      const client = clients.get(name);
      const channel = chance.of(channels);
      if (client.sight.followed?.has(channel) || client.sight.member.channels.includes(channel)) continue;
      client.sight.followed = (client.sight.followed ?? new Set()).add(channel);
      client.follow(channel);
    }
  },
  calm() {
    clearTimeout(mischief);
    for (const client of clients.values()) client.wake?.();
  },
  counts: () => ({
    ...counts,
    open: [...clients.values()].filter(({ isOpen }) => isOpen).length,
    wrong: sights.all.reduce((sum, { wrong }) => sum + wrong.length, 0),
  }),
  /** The clients that have not seen the last event yet. */
  waiting: () =>
    [...clients.values()]
      .filter(({ sight }) => !sight.complete)
      .map(({ sight, latest }) => ({ name: sight.member.name, latest })),
  /** What is wrong already. */
  wrong: () => sights.all.flatMap(({ member, wrong }) => wrong.map(([at, text]) => [at, member.name, text])),
  /** How long events took that were published in one of these spans, `[from, to]`. */
  taken: (spans) =>
    taken.filter(([at]) => spans.some(([from, to]) => at >= from && at < to)).map(([, ms]) => ms),
  write(file) {
    const value = { seen: sights.seen, sights: sights.all.map((sight) => sight.value()) };
    writeFileSync(file, JSON.stringify(value));
    return value.sights.length;
  },
});

function make(member) {
  const { seed, hub, users } = settings;
  if (!tokens.has(member.email)) tokens.set(member.email, new Tokens(users, member, counts));
  const sight = sights.begin(member);
  const client = new KINDS[member.kind]({
    member,
    sight,
    createClient,
    url: hub,
    tokens: tokens.get(member.email),
    counts,
    chance: new Chance(seed, `${member.name}/${counts.remade}`),
    seen({ type, data }) {
      counts.seen += 1;
      if (type === "chaos" && counts.seen % SAMPLED === 0) taken.push([data.at, Date.now() - data.at]);
    },
  });
  clients.set(member.name, client);
}
