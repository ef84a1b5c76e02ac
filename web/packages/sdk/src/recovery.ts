// Nothing lost over reconnects: a transport around another one, which tells the server where the client stands in each stream, lets
// every event through once, and says what is missing. It counts no subscriptions and opens no sockets.
//
//   down ── open ──▶ opening ─┬─ a token of the last connection ──▶ resuming ── resumed ─────────────┐
//    ▲                        │                                        │ refused                      ▼
//    │                        └────────────────────────────────────▶ asking ── subscribed, told ──▶ live
//    │                                                                 └────── no positions told ──▶ plain
//    └────────────────────────── the connection is gone ──────────────────────────────────────────────┘
//
// What the client asks for as the connection opens goes into the first frame. Until the server answered it, events come in the
// plain form: a server that recovers gives them again, so they are held, and are let through only if it turns out not to.

import { platformEnvironment } from "./browser.js";
import { member } from "./frames.js";
import { PER_FRAME } from "./limits.js";
import { createPositions, isImplicit, type Places } from "./positions.js";
import { type ChannelRequest, requestOf } from "./requests.js";
import { userOf } from "./tokens.js";
import type {
  ClientOptions,
  FanfareEvent,
  TokenRequest,
  Transport,
  TransportFactory,
  TransportListener,
} from "./types.js";

/** How long after a drop a connection can be resumed, milliseconds: the server's 2 min. */
const RESUMABLE = 120_000;

/** The longest frame of a resume, characters; the server takes 64 KiB. Beyond it the client subscribes, 100 channels a frame. */
const LONGEST = 60_000;

/** The most events that are held until the server says whether it recovers. */
const MOST_HELD = 1_000;

/** How long a shared connection keeps a channel that nobody asked for again on it, milliseconds. */
const LINGER = 5_000;

/** What the server says of itself and of requests: no events. */
const SERVER_TYPES: ReadonlySet<string> = new Set([
  "connected",
  "subscribed",
  "resumed",
  "unsubscribed",
  "pong",
  "error",
  "token_expiring",
  "refreshed",
  "history",
  "presence",
  "presence_changed",
  "ack",
]);

/** Whether a frame is the server's own, and no event. */
export function isServerFrame({ type }: FanfareEvent): boolean {
  return SERVER_TYPES.has(type);
}

/** How several clients share a connection that recovers. */
export interface Sharing {
  /** Where they stand. Channels among these are kept until the clients had the time to ask for them. */
  readonly places: Places;
  /** Whether there was a connection before. */
  readonly again: boolean;
  /** In place of the listener's `gap`: where the connection stands now, and what is missing. */
  told(places: Places, missing: readonly string[]): void;
}

/** Makes transports that recover out of others, unless the option `recovery` is false. */
export function recovering(connect: TransportFactory, sharing?: Sharing): TransportFactory {
  return (options: ClientOptions, listener: TransportListener): Transport => {
    const env = options.environment ?? platformEnvironment;
    const { getToken, recovery: recovers = true } = options;
    const positions = createPositions(sharing?.places);

    let phase: "down" | "opening" | "resuming" | "asking" | "live" | "plain" = "down";
    /** Counts connections. */
    let round = 0;
    /** Events came in the plain form, or none can be counted on: what was missed since the last connection can't be had. */
    let blind = sharing?.again ?? false;
    /** The channels that are asked for on this connection, and those of the last one. */
    let wanted = new Set<string>();
    let before = new Set<string>();
    /** Those that the server has, though nobody asked for them on this connection. */
    let kept = new Set<string>();
    /** The streams that events of this connection are counted in. */
    let counted = new Set<string>();
    /** What waits for the first frame, or for the answer to it. */
    let requests: ChannelRequest[] = [];
    let early: string[] = [];
    let held: FanfareEvent[] = [];
    /** More than that came, or its connection broke before the answer. */
    let unheard = false;
    /** The server was asked whether there is no other answer to come. */
    let probed = false;
    let timer: unknown;

    let user: string | undefined;
    let lastUser: string | null | undefined = null;
    /** What the last connection can be resumed with: used once, by the same user, and not for long. */
    let resume: { readonly token: string; readonly user: string | undefined } | undefined;
    let droppedAt = 0;

    const inner = connect(
      getToken
        ? {
            ...options,
            async getToken(request: TokenRequest) {
              const token = await getToken(request);
              // The server refuses another user's token for a connection that is open.
              if (request !== "expiring") user = userOf(token);
              return token;
            },
          }
        : options,
      {
        state(state) {
          if (phase !== "down") lost();
          if (state.status === "open") phase = recovers ? "opening" : "plain";
          const mine = round;
          listener.state(state);
          // Behind the turns in which clients ask for their channels: their own, and that of those who share.
          if (phase !== "down")
            Promise.resolve()
              .then()
              .then(() => mine === round && begin());
        },
        frame: received,
        error: listener.error,
        gap: listener.gap,
      },
    );

    function lost() {
      if (phase !== "opening") {
        droppedAt = env.now();
        before = wanted;
      }
      blind ||= phase === "plain";
      env.clearTimeout(timer);
      phase = "down";
      round++;
      wanted = new Set();
      kept = new Set();
      counted = new Set();
      requests = [];
      early = [];
      // Not known to be gone for good, nor to come again.
      unheard ||= held.length > 0;
      held = [];
      probed = false;
    }

    function begin() {
      const old = resume;
      resume = undefined;
      for (const stream of positions.streams()) {
        if (wanted.has(stream)) continue;
        const another = lastUser !== null && user !== lastUser;
        if (isImplicit(stream) ? another && stream !== "@all" : !sharing) positions.forget(stream);
        else if (!isImplicit(stream)) {
          wanted.add(stream);
          kept.add(stream);
        }
      }
      lastUser = user;
      if (!recovers) {
        if (!wanted.size) missed();
        return;
      }
      const age = env.now() - droppedAt;
      const all = positions.of(positions.streams());
      const text = JSON.stringify({ type: "resume", token: old?.token, positions: all });
      // With a channel that is left meanwhile its events would come too.
      const same = [...before].every((name) => wanted.has(name));
      if (old?.user === user && old && age >= 0 && age < RESUMABLE && same && text.length < LONGEST) {
        phase = "resuming";
        inner.send(text);
      } else ask();
      for (const text of early.splice(0)) inner.send(text);
    }

    /** Asks for everything: in one frame, if the channels fit into one. */
    function ask() {
      phase = "asking";
      kept = new Set([...kept].filter((name) => !requests.some(({ names }) => names.includes(name))));
      const names = [...wanted];
      requests = [];
      for (let at = 0; !at || at < names.length; at += PER_FRAME) {
        subscribe(names.slice(at, at + PER_FRAME), !at);
      }
    }

    function subscribe(channels: readonly string[], first = false) {
      const streams = first ? [...positions.streams().filter(isImplicit), ...channels] : channels;
      const given = positions.of(streams);
      const some = Object.keys(given).length > 0;
      inner.send(
        JSON.stringify({
          type: "subscribe",
          channels,
          recoverable: true,
          ...(some ? { positions: given } : {}),
        }),
      );
    }

    function request(asked: ChannelRequest) {
      const { type, names, text } = asked;
      if (phase !== "live" && phase !== "plain") return void requests.push(asked);
      if (type === "unsubscribe" || phase === "plain") {
        for (const name of names) kept.delete(name);
        return void inner.send(text);
      }
      const known = names.filter((name) => kept.delete(name));
      const others = names.filter((name) => !known.includes(name));
      if (others.length) subscribe(others);
      if (!known.length) return;
      const mine = round;
      // In a turn of its own: who asks does not expect the answer while it still asks.
      Promise.resolve().then(() => {
        if (mine !== round) return;
        const timestamp = new Date(env.now()).toISOString();
        listener.frame({ type: "subscribed", data: { channels: known }, timestamp });
      });
    }

    function drain() {
      for (const each of requests.splice(0)) request(each);
    }

    function received(frame: FanfareEvent) {
      if (!isServerFrame(frame)) return event(frame);
      const { type, data } = frame;
      if (type === "subscribed" || type === "resumed") return answered(frame);
      if (type === "error") {
        const channel = member(data, "channel");
        if (phase === "resuming" && channel === undefined) return ask();
        if (typeof channel === "string" && !counted.has(channel)) {
          kept.delete(channel);
          leave(channel);
        }
        if (phase === "plain") missed();
        if (phase === "asking" && !probed) {
          // A server may refuse all channels and say no more; then this is answered next.
          probed = true;
          inner.send(JSON.stringify({ type: "ping", data: { probe: round } }));
        }
      }
      if (type === "pong" && member(data, "probe") === round) {
        if (phase === "asking") plain();
        return;
      }
      listener.frame(frame);
    }

    function event(frame: FanfareEvent) {
      if (phase === "live" && frame.offset !== undefined) {
        if (!positions.had(frame)) listener.frame(frame);
      } else if (phase === "live" || phase === "plain") listener.frame(frame);
      else if (held.length < MOST_HELD) held.push(frame);
      else unheard = true;
    }

    function answered(frame: FanfareEvent) {
      const mine = round;
      const { type, data } = frame;
      const told = member(data, "positions");
      if (!recovers || typeof told !== "object" || !told) {
        if (phase === "asking") plain();
        else if (phase === "plain") missed();
        if (mine === round) listener.frame(frame);
        return;
      }
      const token = member(data, "resume");
      if (typeof token === "string") resume = { token, user };
      const named = member(data, "channels");
      const channels: readonly string[] = Array.isArray(named) ? named : [];
      const first = phase !== "live";
      phase = "live";
      held = [];
      unheard = false;
      if (type === "resumed") {
        kept = new Set(channels);
        if (sharing) wanted = new Set([...wanted, ...kept]);
      }
      const said = Object.entries(told).filter(([stream]) => isImplicit(stream) || wanted.has(stream));
      const known = new Set(positions.streams());
      const missing = positions.told(said, (stream) => !counted.has(stream));
      for (const [stream] of said) {
        counted.add(stream);
        if (blind && !known.has(stream) && (isImplicit(stream) || before.has(stream))) missing.push(stream);
      }
      if (first) {
        blind = false;
        // Another user's, or of channels that are not followed any more.
        for (const stream of positions.streams()) {
          if (!counted.has(stream) && !wanted.has(stream)) positions.forget(stream);
        }
        if (sharing) timer = env.setTimeout(tidy, LINGER);
      }
      tell(missing);
      if (mine !== round) return;
      // The token is for nobody else, and channels that nobody asked for are no answer.
      const answer = { channels: channels.filter((name) => !kept.has(name)), positions: told };
      listener.frame({ ...frame, data: type === "resumed" ? { channels, positions: told } : answer });
      if (mine !== round) return;
      drain();
      if (!sharing) tidy();
    }

    /** Gives back the channels that the server has and nobody asked for. */
    function tidy() {
      const names = [...kept];
      kept = new Set();
      for (const name of names) leave(name);
      if (names.length) inner.send(JSON.stringify({ type: "unsubscribe", channels: names }));
    }

    function leave(name: string) {
      wanted.delete(name);
      if (isImplicit(name)) return;
      counted.delete(name);
      positions.forget(name);
    }

    /** The server does not recover: what came meanwhile is all there is. */
    function plain() {
      const mine = round;
      phase = "plain";
      blind ||= unheard || positions.streams().length > 0;
      unheard = false;
      missed();
      for (const each of held.splice(0)) if (mine === round) listener.frame(each);
      drain();
    }

    /** Without recovery everything since the last connection is missing. */
    function missed() {
      if (!blind) return;
      blind = false;
      const streams = new Set(["@all", ...positions.streams(), ...wanted]);
      if (user !== undefined) streams.add(`user:${user}`);
      for (const stream of positions.streams()) positions.forget(stream);
      tell([...streams]);
    }

    function tell(missing: readonly string[]) {
      if (sharing) sharing.told(positions.all(), missing);
      else if (missing.length) listener.gap(missing);
    }

    return {
      get state() {
        return inner.state;
      },
      start: () => inner.start(),
      stop: () => inner.stop(),
      send(text) {
        if (inner.state.status !== "open") return false;
        const asked = requestOf(text);
        if (!asked) {
          if (phase !== "opening") return inner.send(text);
          early.push(text);
          return true;
        }
        for (const name of asked.names) {
          if (asked.type === "subscribe") wanted.add(name);
          else leave(name);
        }
        request(asked);
        return true;
      },
    };
  };
}
