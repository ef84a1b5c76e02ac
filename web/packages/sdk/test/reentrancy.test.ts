// Listeners of every kind that do anything at any time: close, connect, follow, leave, send, throw. Whatever they did, the client is
// usable afterwards, the server has what is followed, and close() leaves nothing behind.

import { expect, test } from "vitest";
import { createClient } from "../src/index.js";
import { FakeEnvironment, FakeSocket, settle } from "./fakes.js";

const CHANNELS = ["a", "b", "c", "d"];
const ENDS: [code: number, reason: string][] = [
  [1006, ""],
  [1001, "draining; reconnect in 5 ms"],
  [4001, "Unauthorized"],
  [4010, "Slow consumer"],
];

/** Numbers from 0 up to 1 that are the same for the same seed. */
function chances(seed: number): () => number {
  let last = seed;
  return () => {
    last = (last * 1_103_515_245 + 12_345) % 2_147_483_648;
    return last / 2_147_483_648;
  };
}

/** One client with listeners that act at random, and a server that welcomes and confirms. */
async function play(seed: number): Promise<void> {
  const chance = chances(seed);
  const env = new FakeEnvironment();
  env.random = chance;
  const sockets: FakeSocket[] = [];
  class Socket extends FakeSocket {
    /** What the server holds for this connection. */
    readonly followed = new Set<string>();
    constructor(url: string, protocols?: string[]) {
      super(url, protocols);
      sockets.push(this);
      void Promise.resolve().then(() => {
        if (!this.closed) void this.welcome(`c${sockets.length}`);
      });
    }
    override send(text: string): void {
      const { type, channels = [] } = JSON.parse(text) as { type: string; channels?: string[] };
      for (const name of channels) {
        if (type === "subscribe") this.followed.add(name);
        else this.followed.delete(name);
      }
      if (type === "subscribe" || channels.length)
        void Promise.resolve().then(() => this.say({ type: `${type}d`, data: { channels } }));
    }
  }
  const getToken = () => (chance() < 0.1 ? Promise.reject(new Error("away")) : "t");
  const client = createClient({
    url: "ws://hub.test/ws",
    environment: env,
    WebSocket: Socket,
    ...(seed % 2 ? { getToken } : {}),
  });
  const newest = () => sockets.at(-1) as Socket | undefined;

  const follows: { name: string; leave: () => void }[] = [];
  let depth = 0;
  let left = 200;
  const act = () => {
    if (left <= 0 || depth > 4) return;
    left--;
    depth++;
    try {
      const pick = chance();
      if (pick < 0.1) client.close();
      else if (pick < 0.25) client.connect();
      else if (pick < 0.5) {
        const name = CHANNELS[Math.floor(chance() * CHANNELS.length)] ?? "a";
        follows.push({ name, leave: client.subscribe(name) });
      } else if (pick < 0.75) follows.splice(Math.floor(chance() * follows.length), 1)[0]?.leave();
      else if (pick < 0.85) throw new Error("a listener's own");
      else if (pick < 0.92) client.send("ping");
      else {
        const [code, reason] = ENDS[Math.floor(chance() * ENDS.length)] ?? [1006, ""];
        newest()?.onclose?.({ code, reason });
      }
    } finally {
      depth--;
    }
  };
  client.onState(act);
  client.onChannel(act);
  client.onAny(act);
  for (const type of ["connected", "subscribed", "unsubscribed"] as const) client.on(type, act);
  client.onError(({ code }) => {
    if (code !== "handler_failed") act();
  });

  for (let turn = 0; turn < 40; turn++) {
    try {
      act();
    } catch {
      // That was the listener's own.
    }
    await newest()?.say({ type: "tick" });
    await env.pass(chance() * 3_000);
  }

  left = 0;
  for (let tries = 0; tries < 40 && client.state.status !== "open"; tries++) {
    client.connect();
    await env.pass(1_000);
  }
  await env.pass(10_000);
  await newest()?.say({ type: "tick" });
  await settle();
  const wanted = [...new Set(follows.map(({ name }) => name))].sort();
  expect(client.state.status).toBe("open");
  expect([...(newest()?.followed ?? [])].sort()).toEqual(wanted);
  expect(CHANNELS.filter((name) => client.channel(name)?.status === "subscribed")).toEqual(wanted);
  expect(sockets.filter(({ closed, onmessage }) => !closed && onmessage)).toHaveLength(1);

  client.close();
  expect(env.timers.size).toBe(0);
  expect(env.watchers.size).toBe(0);
}

test.each([1, 2, 3, 4, 5])(
  "listeners that do anything at any time leave a client that works (%i)",
  async (row) => {
    for (let seed = row * 20; seed < row * 20 + 20; seed++) await play(seed);
  },
);
