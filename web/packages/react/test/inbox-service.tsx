// A notification service that a test plays: a list in memory behind `fetch`, and events by a transport. The inbox in front of it is
// the real one.

import {
  createInbox,
  type Inbox,
  type InboxOptions,
  liveFromClient,
  type Notification,
} from "@fanfare/inbox";
import { cleanup, configure, render } from "@testing-library/react";
import { type ReactNode, StrictMode } from "react";
import { onTestFinished, vi } from "vitest";
import { InboxProvider } from "../src/inbox/index.js";
import { createHub, type Hub } from "./hub.js";

// A machine under load is slow.
configure({ asyncUtilTimeout: 10_000 });
vi.setConfig({ testTimeout: 30_000 });

export interface Service {
  readonly hub: Hub;
  readonly inbox: Inbox;
  list: Notification[];
  preferences: Record<string, unknown>;
  /** The calls as they came: `GET /api/notifications?per_page=20`. */
  readonly calls: string[];
  /** The bodies of the preferences that were saved. */
  readonly saved: unknown[];
  /** Answers every call with this status instead. */
  refuses: number | null;
  /** What a 422 names. */
  errors: { member: string; message: string }[];
  /** A notification is made, and told. */
  create(more?: Partial<Notification>): Promise<Notification>;
  /** An event with the count of now. */
  tell(type: string, data: object): Promise<void>;
}

/** A service with `count` notifications, the newest with the id `count`; the hub's connection is open. */
export async function openService(count = 3, options: Partial<InboxOptions> = {}): Promise<Service> {
  const hub = createHub();
  const service: Service = {
    hub,
    inbox: createInbox({
      baseUrl: "http://service.test/",
      getToken: () => "token",
      live: liveFromClient(hub.client),
      fetch: async (input, init) => answer(service, new Request(input, init)),
      ...options,
    }),
    list: Array.from({ length: count }, (_, index) => sample(count - index)),
    preferences: {
      categories: { jobs: { in_app: true, push: true, sound: true } },
      default: { in_app: true, push: true, sound: false },
      quiet_hours: null,
      locale: "en",
    },
    calls: [],
    saved: [],
    refuses: null,
    errors: [],
    async create(more) {
      const made = { ...sample((service.list[0]?.id ?? 0) + 1), ...more };
      service.list = [made, ...service.list];
      await service.tell("notification", { ...made, sound: false });
      return made;
    },
    tell: (type, data) =>
      hub.event(type, { ...data, unread_count: unread(service), timestamp: new Date().toISOString() }),
  };
  await hub.open();
  onTestFinished(() => {
    cleanup();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });
  return service;
}

/** Shows something below a provider with the service's inbox, as StrictMode does. */
export function show(service: Service, children: ReactNode): ReturnType<typeof render> {
  return render(
    <StrictMode>
      <InboxProvider inbox={service.inbox}>{children}</InboxProvider>
    </StrictMode>,
  );
}

export function sample(id: number, more: Partial<Notification> = {}): Notification {
  return {
    id,
    user_id: 7,
    type: "job_accepted",
    category: "jobs",
    title: `Job ${id} was accepted`,
    message: "",
    data: { job_id: id },
    priority: "normal",
    is_read: false,
    read_at: null,
    created_at: new Date(Date.now() - 60_000).toISOString(),
    expires_at: null,
    ...more,
  };
}

function unread({ list }: Service): number {
  return list.filter(({ is_read }) => !is_read).length;
}

async function answer(service: Service, request: Request): Promise<Response> {
  const { pathname, search, searchParams: query } = new URL(request.url);
  const { method } = request;
  service.calls.push(`${method} ${pathname}${search}`);
  if (service.refuses !== null) {
    const { refuses: status, errors } = service;
    return json(status, { type: "about:blank", title: "", status, code: "refused", errors });
  }
  const path = pathname.replace("/api/notifications", "");
  if (path === "/stats") {
    const by_category: Record<string, { total: number; unread_count: number }> = {};
    for (const { category, is_read } of service.list) {
      by_category[category] ??= { total: 0, unread_count: 0 };
      by_category[category].total += 1;
      if (!is_read) by_category[category].unread_count += 1;
    }
    return json(200, { total: service.list.length, unread_count: unread(service), by_category });
  }
  if (path === "/preferences") {
    if (method === "PUT") {
      const change = (await request.json()) as Record<string, object>;
      service.saved.push(change);
      const { categories } = service.preferences as { categories: object };
      service.preferences = {
        ...service.preferences,
        ...change,
        categories: { ...categories, ...change.categories },
      };
    }
    return json(200, service.preferences);
  }
  if (path === "") return json(200, page(service, query));
  if (path === "/read-all") {
    service.list = service.list.map((one) => ({ ...one, is_read: true }));
    return json(200, { updated: 1, unread_count: 0 });
  }
  const [, text, what] = path.match(/^\/(\d+)(?:\/(\w+))?$/) ?? [];
  const id = Number(text);
  if (method === "DELETE") {
    gone.set(id, service.list.find((one) => one.id === id) ?? sample(id));
    service.list = service.list.filter((one) => one.id !== id);
    return new Response(null, { status: 204 });
  }
  if (what === "restore") {
    service.list = [...service.list, gone.get(id) ?? sample(id)].sort((a, b) => b.id - a.id);
    return json(200, gone.get(id));
  }
  service.list = service.list.map((one) => (one.id === id ? { ...one, is_read: what === "read" } : one));
  return json(
    200,
    service.list.find((one) => one.id === id),
  );
}

const gone = new Map<number, Notification>();

function page(service: Service, query: URLSearchParams): object {
  const category = query.get("category");
  const fitting = service.list.filter(
    (one) =>
      (category === null || one.category === category) && (query.get("unread") !== "true" || !one.is_read),
  );
  const before = Number(query.get("before") ?? Number.POSITIVE_INFINITY);
  const older = fitting.filter(({ id }) => id < before);
  const notifications = older.slice(0, Number(query.get("per_page") ?? 20));
  const next = older.length > notifications.length ? notifications.at(-1)?.id : null;
  return { notifications, total: fitting.length, unread_count: unread(service), next };
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}
