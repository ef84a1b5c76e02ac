// A notification service in memory, as far as an inbox asks it, with the events that it would send; a clock that is moved by hand.
// Answers can be held back, refused, and garbled; events held back, doubled, and lost.

import type { Clock, Live, Notification } from "../src/types.js";

export const NOW = Date.parse("2026-11-21T12:00:00.000Z");

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  private at = NOW;
  private timers = new Map<number, { readonly at: number; readonly run: () => void }>();
  private made = 0;

  now = () => this.at;
  random = () => 0.5;
  setTimeout = (run: () => void, ms: number) => {
    this.made += 1;
    this.timers.set(this.made, { at: this.at + ms, run });
    return this.made;
  };
  clearTimeout = (timer: unknown) => {
    this.timers.delete(timer as number);
  };

  get waiting(): number {
    return this.timers.size;
  }

  /** Moves on, and runs what falls due, in order, each with what follows from it. */
  async pass(ms: number): Promise<void> {
    const end = this.at + ms;
    for (;;) {
      await settled();
      const due = [...this.timers]
        .filter(([, { at }]) => at <= end)
        .sort((a, b) => a[1].at - b[1].at || a[0] - b[0]);
      const next = due[0];
      if (!next) break;
      this.timers.delete(next[0]);
      this.at = Math.max(this.at, next[1].at);
      next[1].run();
    }
    this.at = end;
  }
}

/** Lets all promises come to rest that wait for nothing. */
export async function settled(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

type Row = { -readonly [Member in keyof Notification]: Notification[Member] } & { deleted: boolean };

interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly token: string;
}

/** The service of one user. */
export class FakeService {
  readonly rows: Row[] = [];
  readonly requests: Request[] = [];
  readonly acks: string[] = [];
  preferences: Record<string, unknown> = {
    categories: { jobs: { in_app: true, push: true, sound: false } },
    default: { in_app: true, push: true, sound: true },
    quiet_hours: null,
    locale: "en",
  };
  /** Answers in place of the service's own; null: its own. */
  answer: (request: Request) => Response | Promise<Response> | null = () => null;
  /** Whether answers wait for `release()`. */
  holds = false;
  /** Whether events wait for `deliver()`. */
  delays = false;
  token = "good";
  private held: (() => void)[] = [];
  private events: { type: string; data: unknown; id: string }[] = [];
  private handlers = new Map<string, Set<(data: unknown, id?: string) => void>>();
  private gaps = new Set<() => void>();
  private nextId = 1;
  private stamp = NOW;

  readonly live: Live = {
    on: (type, handler) => {
      const list = this.handlers.get(type) ?? new Set();
      this.handlers.set(type, list);
      list.add(handler);
      return () => list.delete(handler);
    },
    onGap: (listener) => {
      this.gaps.add(listener);
      return () => this.gaps.delete(listener);
    },
    ack: (id) => this.acks.push(id),
  };

  /** How many handlers there are for all events together. */
  get followers(): number {
    return [...this.handlers.values()].reduce((sum, list) => sum + list.size, this.gaps.size);
  }

  get unread(): number {
    return this.rows.filter(({ is_read, deleted }) => !is_read && !deleted).length;
  }

  /** The titles of what is there, newest first. */
  get titles(): string[] {
    return this.there().map(({ title }) => title);
  }

  /** Those of some paths. */
  asked(method: string, path: RegExp): Request[] {
    return this.requests.filter((request) => request.method === method && path.test(request.path));
  }

  // What happens elsewhere

  create(given: Partial<Notification> = {}, sound = true): number {
    const id = this.nextId;
    this.nextId += 1;
    const row: Row = {
      id,
      user_id: 7,
      type: "general",
      category: "general",
      title: `n${id}`,
      message: "",
      data: {},
      priority: "normal",
      is_read: false,
      read_at: null,
      created_at: new Date(NOW - 60_000 + id).toISOString(),
      expires_at: null,
      ...given,
      deleted: false,
    };
    this.rows.unshift(row);
    this.emit("notification", { ...wire(row), sound });
    return id;
  }

  mark(id: number, isRead: boolean): void {
    const row = this.row(id);
    if (!row || row.deleted || row.is_read === isRead) return;
    row.is_read = isRead;
    this.emit(isRead ? "notification_read" : "notification_unread", { id, notification_id: id });
  }

  markAll(): number {
    const there = this.there().filter(({ is_read }) => !is_read);
    for (const row of there) row.is_read = true;
    const members = { id: null, notification_id: null, all: true, up_to: this.nextId - 1 };
    if (there.length > 0) this.emit("notification_read", members);
    return there.length;
  }

  remove(id: number): void {
    const row = this.row(id);
    if (!row || row.deleted) return;
    row.deleted = true;
    this.emit("notification_deleted", { id, notification_id: id });
  }

  restore(id: number): void {
    const row = this.row(id);
    if (!row?.deleted) return;
    row.deleted = false;
    this.emit("notification_restored", wire(row));
  }

  // Events

  /** Tells an event that is none of the service's own. */
  tell(type: string, data: unknown, id?: string): void {
    for (const handler of [...(this.handlers.get(type) ?? [])]) handler(data, id);
  }

  /** Delivers what was delayed, in an order of the test's choice, or leaves some of it away. */
  deliver(
    order: (events: { type: string; data: unknown; id: string }[]) => typeof this.events = (all) => all,
  ): void {
    for (const { type, data, id } of order(this.events.splice(0))) this.tell(type, data, id);
  }

  gap(): void {
    for (const listener of [...this.gaps]) listener();
  }

  private emit(type: string, members: object): void {
    this.stamp += 1;
    const data = { ...members, unread_count: this.unread, timestamp: new Date(this.stamp).toISOString() };
    this.events.push({ type, data, id: `event-${this.stamp - NOW}` });
    if (!this.delays) this.deliver();
  }

  // HTTP

  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(String(input), "http://service.test");
    const request: Request = {
      method: init?.method ?? "GET",
      path: url.pathname.replace("/api/notifications", ""),
      query: url.searchParams,
      body: init?.body ? JSON.parse(String(init.body)) : undefined,
      token: new Headers(init?.headers).get("authorization")?.replace("Bearer ", "") ?? "",
    };
    this.requests.push(request);
    const answer = await (this.answer(request) ?? this.handle(request));
    if (this.holds) {
      await new Promise<void>((resolve, reject) => {
        this.held.push(resolve);
        init?.signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      });
    }
    return answer;
  };

  /** Lets the answers go that wait; a number: so many of them, the first ones first. */
  async release(count = Number.POSITIVE_INFINITY): Promise<void> {
    for (const go of this.held.splice(0, count)) go();
    await settled();
  }

  private handle({ method, path, query, body, token }: Request): Response {
    if (token !== this.token) return problem(401, "no such token");
    if (path === "") return this.list(query);
    if (path === "/stats") return this.stats();
    if (path === "/preferences") return this.prefer(method, body);
    if (path === "/read-all") return Response.json({ updated: this.markAll(), unread_count: 0 });
    const [, text, verb] = path.split("/");
    const id = Number(text);
    const row = this.row(id);
    if (!row || (row.deleted && verb !== "restore" && method !== "DELETE"))
      return problem(404, "no such notification");
    if (method === "DELETE") {
      this.remove(id);
      return new Response(null, { status: 204 });
    }
    if (verb === "restore") this.restore(id);
    else this.mark(id, verb === "read");
    return Response.json(wire(row));
  }

  private list(query: URLSearchParams): Response {
    const category = query.get("category");
    const before = Number(query.get("before") ?? Number.POSITIVE_INFINITY);
    const perPage = Number(query.get("per_page"));
    const named = this.there().filter(
      (row) => (!category || row.category === category) && (query.get("unread") !== "true" || !row.is_read),
    );
    const rest = named.filter(({ id }) => id < before);
    const page = rest.slice(0, perPage);
    return Response.json({
      notifications: page.map(wire),
      total: named.length,
      unread_count: this.unread,
      next: rest.length > perPage ? page.at(-1)?.id : null,
    });
  }

  private stats(): Response {
    const by_category: Record<string, { total: number; unread_count: number }> = {};
    for (const { category, is_read } of this.there()) {
      const counts = (by_category[category] ??= { total: 0, unread_count: 0 });
      counts.total += 1;
      if (!is_read) counts.unread_count += 1;
    }
    return Response.json({ total: this.there().length, unread_count: this.unread, by_category });
  }

  private prefer(method: string, body: unknown): Response {
    if (method === "PUT") {
      const { categories, ...others } = body as { categories?: Record<string, object> };
      const mine = this.preferences.categories as Record<string, object>;
      for (const [name, ways] of Object.entries(categories ?? {})) {
        mine[name] = { ...(this.preferences.default as object), ...mine[name], ...ways };
      }
      Object.assign(this.preferences, others);
    }
    return Response.json(this.preferences);
  }

  private there(): Row[] {
    return this.rows.filter(({ deleted }) => !deleted);
  }

  private row(id: number): Row | undefined {
    return this.rows.find((row) => row.id === id);
  }
}

/** A refusal, as the services give it. */
export function problem(
  status: number,
  detail: string,
  members: object = {},
  headers: Record<string, string> = {},
): Response {
  return Response.json(
    { status, code: "refused", title: "Refused", detail, ...members },
    { status, headers },
  );
}

function wire({ deleted: _, ...notification }: Row): Notification {
  return { ...notification };
}
