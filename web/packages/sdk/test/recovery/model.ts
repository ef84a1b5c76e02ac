// A hub of the tests' own that keeps history: streams with epochs and offsets, replay in one order, tokens that work once. Frames
// wait on both ways until a test lets them go, so that a connection may break at any of them.

import { FakeSocket } from "../fakes.js";

interface Stored {
  readonly id: string;
  readonly seq: number;
  readonly places: ReadonlyMap<string, { readonly epoch: string; readonly offset: number }>;
}

interface Stream {
  epoch: string;
  end: number;
  /** The first offset that is kept. */
  first: number;
}

interface Session {
  readonly user: string;
  readonly channels: ReadonlySet<string>;
}

/** Where something was published: for the judge. */
export interface Published {
  readonly id: string;
  readonly places: ReadonlyMap<string, { readonly epoch: string; readonly offset: number }>;
}

export class ModelHub {
  readonly streams = new Map<string, Stream>();
  readonly log: Published[] = [];
  /** Whether it recovers at all. */
  recovers = true;
  user = "user:7";
  #stored: Stored[] = [];
  #connections = new Set<ModelSocket>();
  #tokens = new Map<string, Session>();
  #count = 0;

  stream(name: string): Stream {
    let stream = this.streams.get(name);
    if (!stream) this.streams.set(name, (stream = { epoch: this.#epoch(), end: 0, first: 1 }));
    return stream;
  }

  #epoch(): string {
    return `epoch-${++this.#count}`;
  }

  publish(names: readonly string[]): void {
    const places = new Map(
      names.map((name) => {
        const stream = this.stream(name);
        return [name, { epoch: stream.epoch, offset: ++stream.end }];
      }),
    );
    const stored = { id: `e${++this.#count}`, seq: this.#count, places };
    this.#stored.push(stored);
    this.log.push(stored);
    for (const connection of this.#connections) connection.event(stored);
  }

  /** Forgets the older part of a stream. */
  trim(name: string): void {
    const stream = this.stream(name);
    stream.first = Math.max(stream.first, stream.end - 1);
  }

  /** A stream's history is lost. */
  reset(name: string): void {
    this.streams.set(name, { epoch: this.#epoch(), end: 0, first: 1 });
  }

  /** All connections break, streams in memory are lost, tokens too unless they are on disk. */
  restart({ durable }: { durable: boolean }): void {
    for (const connection of [...this.#connections]) connection.break();
    if (durable) return;
    this.#tokens.clear();
    for (const name of [...this.streams.keys()]) if (name !== "user:7") this.reset(name);
  }

  open(socket: ModelSocket): void {
    this.#connections.add(socket);
  }

  closed(socket: ModelSocket): void {
    this.#connections.delete(socket);
    if (socket.token) this.#tokens.set(socket.token, { user: this.user, channels: new Set(socket.channels) });
  }

  token(socket: ModelSocket): string {
    this.#tokens.delete(socket.token);
    socket.token = `token-${++this.#count}`;
    return socket.token;
  }

  /** The session of a token, which is used up by that; a connection that still has it is taken over. */
  redeem(token: string): Session | undefined {
    for (const connection of [...this.#connections]) if (connection.token === token) connection.break(4011);
    const session = this.#tokens.get(token);
    this.#tokens.delete(token);
    return session;
  }

  /**
   * Where a stream begins for who still misses what is numbered `from`: before the first event of it that comes no earlier. Here
   * the stream always reaches back so far.
   */
  begins(name: string, from: number): number {
    const { epoch, end } = this.stream(name);
    const places = this.#stored.filter(({ seq }) => seq >= from).map(({ places }) => places.get(name));
    return Math.min(end, ...places.map((place) => (place?.epoch === epoch ? place.offset - 1 : end)));
  }

  /** What a connection that follows these streams has missed, in the hub's order. */
  missed(recovered: ReadonlyMap<string, number>, known: ReadonlyMap<string, number>): Stored[] {
    return this.#stored.filter(({ places }) => {
      const here = [...places].filter(([name, { epoch }]) => this.streams.get(name)?.epoch === epoch);
      // Had in one stream is had.
      if (here.some(([name, { offset }]) => offset <= (known.get(name) ?? 0))) return false;
      return here.some(([name, { offset }]) => offset > (recovered.get(name) ?? Number.POSITIVE_INFINITY));
    });
  }
}

/** A connection, from the hub's side. */
export class ModelSocket extends FakeSocket {
  readonly channels = new Set<string>();
  token = "";
  recoverable = false;
  broken = false;
  /** To the client, and from it: what was not let go yet. */
  readonly down: (() => void)[] = [];
  readonly up: string[] = [];
  /** The events that were handed to the client, for a peer that repeats itself. */
  readonly given: string[] = [];

  constructor(
    readonly hub: ModelHub,
    url: string,
    protocols: string[] | undefined,
  ) {
    super(url, protocols);
    hub.open(this);
    this.down.push(() => this.accept());
    this.#say("connected", { connection_id: `c${Math.random()}` });
  }

  override send(text: string): void {
    if (!this.broken) this.up.push(text);
  }

  override close(): void {
    this.broken = true;
    this.hub.closed(this);
  }

  /** The connection breaks off; what was on its way is lost. */
  break(code = 1006): void {
    if (this.broken) return;
    this.broken = true;
    this.hub.closed(this);
    this.down.length = 0;
    this.up.length = 0;
    // The client drops a socket's handlers with the socket.
    this.onclose?.({ code, reason: "" });
  }

  /** Lets one frame go, down or up. */
  step(): boolean {
    if (this.broken) return false;
    const next = this.down.shift();
    if (next) next();
    else {
      const text = this.up.shift();
      if (text === undefined) return false;
      this.#read(JSON.parse(text));
    }
    return true;
  }

  /** Gives an event again that this connection was given before. */
  repeat(chance: number): void {
    const text = this.given[Math.floor(chance * this.given.length)];
    if (text && !this.broken) this.down.push(() => this.onmessage?.({ data: text }));
  }

  get follows(): string[] {
    return ["@all", this.hub.user, ...this.channels].filter((name, at, all) => all.indexOf(name) === at);
  }

  event({ id, places }: Stored) {
    // A place in an epoch that is over is none.
    const mine = this.follows.filter((name) => places.get(name)?.epoch === this.hub.stream(name).epoch);
    if (!mine.length) return;
    if (!this.recoverable) return this.#say(id, {});
    const [channel = "", ...others] = mine.sort(() => (id.length % 2 ? 1 : -1));
    const also = Object.fromEntries(others.map((name) => [name, places.get(name)?.offset]));
    const more = { id, channel, ...places.get(channel), ...(others.length ? { also } : {}) };
    const text = JSON.stringify({ type: id, data: {}, timestamp: "", ...more });
    this.down.push(() => {
      this.given.push(text);
      this.onmessage?.({ data: text });
    });
  }

  #say(type: string, data: unknown): void {
    const text = JSON.stringify({ type, data, timestamp: "" });
    this.down.push(() => this.onmessage?.({ data: text }));
  }

  #read(frame: {
    type: string;
    channels?: string[];
    recoverable?: boolean;
    positions?: Record<string, { epoch: string; offset: number }>;
    token?: string;
    data?: unknown;
  }) {
    const { type, channels = [], positions = {} } = frame;
    if (type === "ping") return this.#say("pong", frame.data ?? {});
    if (type === "unsubscribe") {
      for (const name of channels) this.channels.delete(name);
      return this.#say("unsubscribed", { channels });
    }
    if (type === "resume") {
      const session = this.hub.recovers ? this.hub.redeem(frame.token ?? "") : undefined;
      if (session?.user !== this.hub.user)
        return this.#say("error", { code: "not_found", message: "no such token" });
      for (const name of session.channels) this.channels.add(name);
      this.recoverable = true;
      return this.#answer("resumed", [...session.channels], positions, this.follows);
    }
    const before = this.recoverable ? this.follows : [];
    for (const name of channels) this.channels.add(name);
    if (!frame.recoverable || !this.hub.recovers) return this.#say("subscribed", { channels });
    this.recoverable = true;
    const fresh = this.follows.filter((name) => !before.includes(name));
    this.#answer("subscribed", channels, positions, fresh, type === "resume");
  }

  /** The answer, and what was missed behind it. */
  #answer(
    type: string,
    channels: string[],
    given: Record<string, { epoch: string; offset: number }>,
    fresh: string[],
    resumed = type === "resumed",
  ): void {
    const recovered = new Map<string, number>();
    const known = new Map<string, number>();
    for (const name of fresh) {
      const { epoch, end, first } = this.hub.stream(name);
      const had = given[name];
      if (had?.epoch !== epoch) continue;
      known.set(name, had.offset);
      if (had.offset <= end && had.offset >= first - 1) recovered.set(name, had.offset);
    }
    // Streams that begin do so where the others stand.
    const from = this.hub.missed(recovered, known)[0]?.seq ?? Number.POSITIVE_INFINITY;
    const positions = Object.fromEntries(
      this.follows.map((name) => {
        const { epoch, end } = this.hub.stream(name);
        const isFresh = fresh.includes(name);
        const reaches = recovered.has(name);
        const offset =
          isFresh && !reaches ? Math.max(this.hub.begins(name, from), known.get(name) ?? 0) : end;
        return [
          name,
          { epoch, offset, ...(isFresh && (given[name] || resumed) ? { recovered: reaches } : {}) },
        ];
      }),
    );
    for (const name of fresh) if (!recovered.has(name)) recovered.set(name, positions[name]?.offset ?? 0);
    this.#say(type, { channels, positions, resume: this.hub.token(this) });
    for (const stored of this.hub.missed(recovered, known)) this.event(stored);
  }
}
