// A client that recovers, in a fake world, and what its application heard; and the server's side of it, frame by frame.

import type { ClientOptions } from "../../src/index.js";
import { openScene, type Scene, settle } from "../fakes.js";

export const EPOCH = "AAAAAAAA";
export const OTHER = "BBBBBBBB";

export interface Told {
  readonly epoch: string;
  readonly offset: number;
  readonly recovered?: boolean;
}

export const at = (offset: number, recovered?: boolean, epoch = EPOCH): Told => ({
  epoch,
  offset,
  ...(recovered === undefined ? {} : { recovered }),
});

/** A client with recovery, and what its application heard. */
export async function start(options: Partial<ClientOptions> = {}) {
  const s = await openScene({ recovery: true, ...options });
  const seen: string[] = [];
  const gaps: (readonly string[])[] = [];
  s.client.onAny((event) => seen.push(event.type));
  s.client.onGap(({ streams }) => gaps.push(streams));
  await settle();
  return Object.assign(s, { seen, gaps });
}

export type Playing = Awaited<ReturnType<typeof start>>;

export const tell = (
  { socket }: Pick<Scene, "socket">,
  positions: Record<string, Told>,
  { channels = [] as string[], resume = "token-1", type = "subscribed" } = {},
) => socket.say({ type, data: { channels, positions, resume } });

/** An event in streams: the first is its `channel`, the others are `also`. */
export const event = (
  { socket }: Pick<Scene, "socket">,
  type: string,
  places: Record<string, number>,
  epoch = EPOCH,
) => {
  const [[channel, offset] = ["", 0], ...others] = Object.entries(places);
  const also = others.length ? { also: Object.fromEntries(others) } : {};
  const id = `id-${type}`;
  return socket.say(
    JSON.stringify({
      type,
      data: {},
      timestamp: "2025-11-01T12:00:00.000Z",
      id,
      channel,
      offset,
      epoch,
      ...also,
    }),
  );
};

/** The connection breaks off, and the next one is welcomed. */
export async function reconnect(s: Scene, pause = 1_000) {
  await s.socket.end();
  await s.env.pass(pause);
  await s.socket.welcome(`c${s.sockets.length}`);
}

export const frames = ({ socket }: Scene) => socket.frames.filter(({ type }) => type !== "ping");

/** A client that follows `jobs`, everything to everyone, and its own user, all at 10. */
export async function following(options: Partial<ClientOptions> = {}): Promise<Playing> {
  const s = await start(options);
  s.client.subscribe("jobs");
  await settle();
  await tell(s, { "@all": at(10), "user:7": at(10) });
  await tell(s, { "@all": at(10), "user:7": at(10), jobs: at(10) }, { channels: ["jobs"] });
  return s;
}

export const tokenOf = (user_id: number) => `h.${btoa(JSON.stringify({ user_id }))}.s`;
