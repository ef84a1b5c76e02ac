// A browser of the tests' own: pages with locks and a channel between them, a clock that stands still, and a hub behind. Everything
// that reaches a page is a task; a frozen page's tasks wait, those of a dead one are gone.

import { createClient } from "../../src/client.js";
import type { Channel, TabsPlatform } from "../../src/tabs/platform.js";
import { tab } from "../../src/tabs/tab.js";
import type {
  Client,
  ClientOptions,
  ConnectionState,
  Environment,
  FanfareEvent,
  Transport,
  TransportListener,
} from "../../src/types.js";

export const TIMESTAMP = "2025-11-01T12:00:00.000Z";

interface Waiting {
  readonly page: Page;
  readonly held: () => Promise<void>;
  readonly reject: (cause: Error) => void;
  readonly resolve: () => void;
}

export class World {
  now = 1_000;
  readonly pages: Page[] = [];
  readonly hub = new Hub(this);
  readonly #tasks: [Page, () => void][] = [];
  readonly #timers = new Map<number, { at: number; page: Page; run: () => void }>();
  readonly #locks = new Map<string, { holder: Waiting | undefined; queue: Waiting[] }>();
  #lastTimer = 0;

  page(): Page {
    const page = new Page(this, `page-${this.pages.length + 1}`);
    this.pages.push(page);
    return page;
  }

  task(page: Page, run: () => void, first = false): void {
    if (first) this.#tasks.unshift([page, run]);
    else this.#tasks.push([page, run]);
  }

  /** Runs all that is to do now. */
  async settle(): Promise<void> {
    for (;;) {
      // Promises of lock requests and the clients' own turns.
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      const next = this.#tasks.findIndex(([page]) => !page.frozen);
      if (next < 0) return;
      const [[page, run]] = this.#tasks.splice(next, 1) as [[Page, () => void]];
      // No two things happen in the same moment.
      this.now += 1;
      if (!page.dead) run();
    }
  }

  async advance(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await this.settle();
      const due = [...this.#timers]
        .filter(([, { at, page }]) => at <= end && !page.frozen)
        .sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [id, { at, page, run }] = due;
      this.#timers.delete(id);
      this.now = Math.max(this.now, at);
      if (!page.dead) run();
    }
    this.now = Math.max(this.now, end);
    await this.settle();
  }

  environment(page: Page): Environment {
    return {
      now: () => this.now,
      setTimeout: (run, ms) => {
        this.#lastTimer += 1;
        this.#timers.set(this.#lastTimer, { at: this.now + ms, page, run });
        return this.#lastTimer;
      },
      clearTimeout: (timer) => this.#timers.delete(timer as number),
      random: () => (this.pages.indexOf(page) % 10) / 10,
      online: () => true,
      watch: () => () => undefined,
    };
  }

  /** The timers that a page still has. */
  timers(page: Page): number {
    return [...this.#timers.values()].filter((timer) => timer.page === page).length;
  }

  broadcast(from: FakeChannel, message: unknown): void {
    for (const page of this.pages) {
      for (const channel of page.channels) {
        if (channel === from || channel.name !== from.name) continue;
        const data = structuredClone(message);
        this.task(page, () => channel.onmessage?.({ data }));
      }
    }
  }

  request(
    page: Page,
    name: string,
    options: { signal?: AbortSignal; steal?: boolean },
    held: () => Promise<void>,
  ): Promise<unknown> {
    return new Promise<void>((resolve, reject) => {
      const lock = this.#locks.get(name) ?? { holder: undefined, queue: [] };
      this.#locks.set(name, lock);
      const waiting: Waiting = { page, held, resolve, reject };
      if (options.steal) {
        const robbed = lock.holder;
        if (robbed) this.task(robbed.page, () => robbed.reject(abortError()));
        lock.holder = undefined;
        lock.queue.unshift(waiting);
      } else {
        lock.queue.push(waiting);
      }
      options.signal?.addEventListener("abort", () => {
        const index = lock.queue.indexOf(waiting);
        if (index < 0) return;
        lock.queue.splice(index, 1);
        reject(abortError());
      });
      this.#grant(name);
    });
  }

  #grant(name: string): void {
    const lock = this.#locks.get(name);
    if (!lock || lock.holder) return;
    const next = lock.queue.shift();
    if (!next) return;
    lock.holder = next;
    this.task(next.page, () => {
      next.held().then(() => {
        next.resolve();
        this.#release(name, next);
      }, next.reject);
    });
  }

  #release(name: string, waiting: Waiting): void {
    const lock = this.#locks.get(name);
    if (lock?.holder !== waiting) return;
    lock.holder = undefined;
    this.#grant(name);
  }

  holder(name: string): Page | undefined {
    return this.#locks.get(name)?.holder?.page;
  }

  held(): { name: string; clientId: string }[] {
    return [...this.#locks].flatMap(([name, { holder }]) =>
      holder ? [{ name, clientId: holder.page.name }] : [],
    );
  }

  /** What waits for a page is gone, as with a channel that overflowed. */
  forget(page: Page): void {
    for (let at = this.#tasks.length - 1; at >= 0; at -= 1) {
      if (this.#tasks[at]?.[0] === page) this.#tasks.splice(at, 1);
    }
  }

  /** What the browser does when a page dies. */
  bury(page: Page): void {
    for (const [name, lock] of this.#locks) {
      lock.queue = lock.queue.filter((waiting) => waiting.page !== page);
      if (lock.holder?.page === page) this.#release(name, lock.holder);
    }
    this.hub.cut(page);
  }
}

function abortError(): Error {
  return new DOMException("The request was aborted.", "AbortError");
}

class FakeChannel implements Channel {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  constructor(
    readonly name: string,
    readonly page: Page,
  ) {
    page.channels.add(this);
  }
  postMessage(message: unknown): void {
    this.page.world.broadcast(this, message);
  }
  close(): void {
    this.page.channels.delete(this);
  }
}

/** A page with a client that shares, and a list of what it was told. */
export class Page {
  frozen = false;
  dead = false;
  visible = true;
  readonly channels = new Set<FakeChannel>();
  readonly events: string[] = [];
  readonly states: ConnectionState[] = [];
  readonly errors: string[] = [];
  #listeners: { shown(): void; leave(): void; back(): void } | undefined;
  #client: Client | undefined;
  /** Made unable, as a browser may be. */
  locksThrow = false;
  locksReject = false;
  channelThrows = false;

  constructor(
    readonly world: World,
    readonly name: string,
  ) {}

  get client(): Client {
    if (!this.#client) throw new Error(`${this.name} has no client`);
    return this.#client;
  }

  get status(): string {
    return this.client.state.status;
  }

  /** The states by name, and since the last look only. */
  seen(): string[] {
    return this.states.splice(0).map(({ status }) => status);
  }

  /** The events since the last look. */
  got(): string[] {
    return this.events.splice(0);
  }

  open(options: Partial<ClientOptions> = {}, name = "app"): this {
    this.#client = createClient({
      url: "ws://hub/ws",
      environment: this.world.environment(this),
      transport: (given, listener) =>
        tab(name, this.#platform(), this.world.hub.factory(this), given, listener),
      autoConnect: false,
      recovery: false,
      ...options,
    });
    this.#client.onState((state) => this.states.push(state));
    this.#client.onAny((event) => this.events.push(event.type));
    this.#client.onError((error) => this.errors.push(`${error.code} ${error.channel ?? ""}`.trim()));
    this.#client.connect();
    return this;
  }

  /** The page is gone without a word. */
  die(): void {
    this.dead = true;
    this.channels.clear();
    this.world.bury(this);
  }

  /** The page is left for another one and kept, and comes back. */
  leave(): void {
    this.#listeners?.leave();
  }
  back(): void {
    this.#listeners?.back();
  }

  /** Something that its tab would not say by itself. */
  say(message: unknown): void {
    for (const channel of this.channels) channel.postMessage(message);
  }

  show(visible: boolean): void {
    this.visible = visible;
    this.#listeners?.shown();
  }

  #platform(): TabsPlatform {
    const page = this;
    return {
      locks: {
        request(name, options, held) {
          if (page.locksThrow) throw new DOMException("not here", "SecurityError");
          if (page.locksReject) return Promise.reject(new DOMException("not here", "SecurityError"));
          return page.world.request(page, name, options, held);
        },
        query: () =>
          new Promise((resolve) => {
            const held = page.world.held();
            page.world.task(page, () => resolve({ held }));
          }),
      },
      channel(name) {
        if (page.channelThrows) throw new DOMException("not here", "SecurityError");
        return new FakeChannel(name, page);
      },
      id: () => page.name,
      visible: () => page.visible,
      watch(listeners) {
        page.#listeners = listeners;
        return () => {
          page.#listeners = undefined;
        };
      },
    };
  }
}

/** A hub with the connections of all pages. Connections open as soon as they are made, unless `down`. */
export class Hub {
  readonly connections: Connection[] = [];
  readonly refused = new Map<string, string>();
  /** All frames that arrived. */
  readonly log: Asked[] = [];
  /** Whether it tells positions; then where its streams stand, in one epoch, and those whose history is gone. */
  recovers = false;
  epoch = "AAAAAAAA";
  readonly ends = new Map<string, number>();
  readonly lost = new Set<string>();
  /** What was followed by token. */
  readonly tokens = new Map<string, string[]>();
  down = false;
  /** What comes from a socket goes before what comes from elsewhere; browsers promise no order. */
  first = false;
  /** Answers are kept back until it is set again. */
  answers = true;
  #made = 0;

  constructor(readonly world: World) {}

  get open(): Connection[] {
    return this.connections.filter((connection) => connection.isOpen);
  }

  /** The one connection that is open. */
  get one(): Connection {
    const [connection, ...others] = this.open;
    if (!connection || others.length > 0) throw new Error(`${this.open.length} connections are open`);
    return connection;
  }

  /** The channels that are asked for since the last look. */
  asked(): string[] {
    return this.log
      .splice(0)
      .filter(({ type }) => type !== "ping")
      .map(({ type, channels }) => `${type} ${channels?.join(" ") ?? ""}`.trim());
  }

  publish(type: string): void {
    for (const connection of this.open) connection.say(type, {});
  }

  /** An event with its places, to all connections that recover; the first is its `channel`. */
  place(type: string, places: Record<string, number>): void {
    const [[channel = "", offset = 0] = [], ...others] = Object.entries(places);
    for (const [name, at] of Object.entries(places))
      this.ends.set(name, Math.max(at, this.ends.get(name) ?? 0));
    const also = others.length > 0 ? { also: Object.fromEntries(others) } : {};
    const more = { id: type, channel, offset, epoch: this.epoch, ...also };
    for (const connection of this.open) connection.say(type, {}, more);
  }

  factory(page: Page) {
    return (_options: ClientOptions, listener: TransportListener): Transport => {
      const connection = new Connection(this, page, listener);
      this.connections.push(connection);
      return connection;
    };
  }

  nextId(): string {
    this.#made += 1;
    return `c${this.#made}`;
  }

  cut(page: Page): void {
    for (const connection of this.connections) if (connection.page === page) connection.isOpen = false;
  }
}

/** A frame of a tab. */
interface Asked {
  readonly type: string;
  readonly channels?: string[];
  readonly data?: { channels?: string[] };
  readonly token?: string;
  readonly recoverable?: boolean;
  readonly positions?: Record<string, { epoch: string; offset: number }>;
}

/** A transport and its end at the hub. What the hub says reaches the page as a task. */
export class Connection implements Transport {
  state: ConnectionState;
  isOpen = false;
  started = 0;
  readonly followed = new Set<string>();

  constructor(
    readonly hub: Hub,
    readonly page: Page,
    readonly listener: TransportListener,
  ) {
    this.state = { status: "connecting", attempt: 0, since: hub.world.now, reason: null };
  }

  start(): void {
    this.started += 1;
    if (this.isOpen) return;
    this.#become({ status: "connecting", attempt: 1, since: this.hub.world.now, reason: null });
    if (!this.hub.down) this.welcome();
  }

  stop(): void {
    this.isOpen = false;
    const reason = { code: "closed", message: "closed" } as const;
    this.#become({ status: "closed", since: this.hub.world.now, reason });
  }

  send(text: string): boolean {
    if (this.state.status !== "open") return false;
    const frame = JSON.parse(text) as Asked;
    this.hub.log.push(frame);
    if (this.hub.recovers && (frame.recoverable || frame.type === "resume")) this.#recover(frame);
    else if (this.hub.answers) this.answer(frame.type, frame.channels ?? frame.data?.channels ?? []);
    return true;
  }

  answer(type: string, names: string[]): void {
    if (type !== "subscribe" && type !== "unsubscribe") {
      if (type === "ping") this.say("pong", {});
      else this.say("error", { code: "unknown_type", message: "no such type" });
      return;
    }
    const inForce: string[] = [];
    for (const channel of names) {
      const code = this.hub.refused.get(channel);
      if (code) this.say("error", { code, message: "refused", channel });
      if (code === "too_many_channels") break;
      if (!code) inForce.push(channel);
    }
    if (inForce.length > 0 || !names.length) this.say(`${type}d`, { channels: inForce });
  }

  #recover({ type, channels = [], token = "", positions = {} }: Asked): void {
    const { hub } = this;
    if (type === "resume") {
      const before = hub.tokens.get(token);
      hub.tokens.delete(token);
      if (!before) {
        this.say("error", { code: "not_found", message: "no such token" });
        return;
      }
      channels.push(...before);
      this.followed.clear();
    }
    for (const name of channels) this.followed.add(name);
    const told = ["@all", ...this.followed].map((name) => {
      const { epoch, offset } = positions[name] ?? {};
      const recovered = epoch === hub.epoch && !hub.lost.has(name);
      const end = hub.lost.has(name) ? 99 : (hub.ends.get(name) ?? 0);
      return [name, { epoch: hub.epoch, offset: end, ...(offset === undefined ? {} : { recovered }) }];
    });
    const resume = `token-${hub.nextId()}`;
    hub.tokens.set(resume, [...this.followed]);
    const answer = type === "resume" ? "resumed" : "subscribed";
    this.say(answer, { channels, positions: Object.fromEntries(told), resume });
  }

  welcome(): void {
    const connection_id = this.hub.nextId();
    this.isOpen = true;
    this.hub.world.task(this.page, () => {
      if (!this.isOpen) return;
      this.#become({
        status: "open",
        connectionId: connection_id,
        since: this.hub.world.now,
        reason: null,
      });
      this.listener.frame({ type: "connected", data: { connection_id }, timestamp: TIMESTAMP });
    });
  }

  say(type: string, data: unknown, more: Partial<FanfareEvent> = {}): void {
    const frame: FanfareEvent = { type, data, timestamp: TIMESTAMP, ...more };
    const tell = () => {
      if (this.state.status === "open") this.listener.frame(frame);
    };
    this.hub.world.task(this.page, tell, this.hub.first);
  }

  /** The connection breaks off; the transport will try again. */
  lose(): void {
    this.isOpen = false;
    this.hub.world.task(this.page, () => {
      const reason = { code: "lost", message: "The connection broke off." } as const;
      const retryAt = this.hub.world.now + 1_000;
      const since = this.hub.world.now;
      this.#become({ status: "reconnecting", attempt: 1, waiting: "timer", retryAt, since, reason });
    });
  }

  /** The server refuses for good. */
  refuse(): void {
    this.isOpen = false;
    const reason = { code: "unauthorized", message: "The token is wrong.", closeCode: 4001 } as const;
    this.hub.world.task(this.page, () =>
      this.#become({ status: "closed", since: this.hub.world.now, reason }),
    );
  }

  #become(state: ConnectionState): void {
    this.state = state;
    this.listener.state(state);
  }
}
