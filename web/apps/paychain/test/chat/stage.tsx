// The conversation panel over a back end and a hub that a test plays: the real client and the real calls, no network.

import { type ConnectionState, createClient, type TransportListener } from "@fanfare/client";
import { FanfareProvider } from "@fanfare/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, configure, render } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { onTestFinished, vi } from "vitest";
import { ChatLive } from "../../src/chat/live";
import { ConversationPanel } from "../../src/chat/panel";
import { useUnread } from "../../src/chat/unread";
import { Unread } from "../../src/chat/unread-badge";
import type { ChatMessage } from "../../src/chat/wire";
import { Accounts, type Store } from "../../src/session/accounts";
import { AccountsProvider, SessionProvider } from "../../src/session/session";
import { windowTurns } from "../../src/session/turns";

// A machine under load is slow.
configure({ asyncUtilTimeout: 10_000 });
vi.setConfig({ testTimeout: 30_000 });

const USER = {
  user_id: 7,
  name: "Ada",
  email: "ada@example.test",
  user_type: "employer",
  created_at: "2026-01-01T00:00:00.000Z",
} as const;

/** A frame that the page sent. */
export interface Sent {
  readonly type: string;
  readonly ref?: string;
  readonly data?: Record<string, unknown>;
}

/** What a test plays with. */
export interface Stage {
  /** All messages of the conversation with 9, oldest first. */
  messages: ChatMessage[];
  blocked: boolean;
  /** The service answers calls, or nobody does. */
  up: boolean;
  /** The calls that change something: `PUT /api/chat/blocks/9`. */
  readonly calls: string[];
  /** The frames of a type that were sent. */
  readonly sent: (type: string) => Sent[];
  readonly event: (type: string, data: unknown) => Promise<void>;
  /** Answers the latest request of a type. */
  readonly answer: (type: string, answer: unknown) => Promise<void>;
  readonly connection: (open: boolean) => Promise<void>;
  readonly gap: () => Promise<void>;
  readonly closed: () => boolean;
  readonly remove: () => void;
}

/** Opens the panel of the employer 7 with the worker 9, `PAGE` messages a page. */
export async function openStage(messages: ChatMessage[] = [], shown = true): Promise<Stage> {
  let listener: TransportListener | undefined;
  let state: ConnectionState = { status: "connecting", attempt: 0, since: 0, reason: null };
  const frames: Sent[] = [];
  const client = createClient({
    url: "ws://hub.test/ws",
    autoConnect: false,
    transport: (_, given) => {
      listener = given;
      return {
        get state() {
          return state;
        },
        start: () => undefined,
        stop: () => undefined,
        send: (text) => {
          if (state.status !== "open") return false;
          frames.push(JSON.parse(text) as Sent);
          return true;
        },
      };
    },
  });
  const frame = (type: string, data: unknown) =>
    act(async () => listener?.frame({ type, data, timestamp: "2026-11-20T12:00:00.000Z" }));
  let closed = false;
  const stage: Stage = {
    messages,
    blocked: false,
    up: true,
    calls: [],
    sent: (type) => frames.filter((one) => one.type === type),
    event: frame,
    answer: (type, answer) =>
      frame("ack", { event: type, ref: frames.filter((one) => one.type === type).at(-1)?.ref, answer }),
    connection: (open) =>
      act(async () => {
        state = open
          ? { status: "open", connectionId: "c1", since: 0, reason: null }
          : { status: "connecting", attempt: 1, since: 0, reason: null };
        listener?.state(state);
      }),
    gap: () => act(async () => listener?.gap(["user:7"])),
    closed: () => closed,
    remove: () => view.unmount(),
  };
  vi.stubGlobal("fetch", (request: Request) => respond(stage, request));
  vi.spyOn(document, "hasFocus").mockReturnValue(true);
  onTestFinished(() => {
    cleanup();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
    sessionStorage.clear();
  });

  const accounts = new Accounts({
    shared: memory(),
    own: memory(),
    now: Date.now,
    watch: () => () => undefined,
  });
  accounts.signIn({
    user: USER,
    access_token: "access",
    refresh_token: "refresh",
    expires_at: Date.now() + 9e5,
  });
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false, networkMode: "always" } } });
  await stage.connection(true);
  const view = render(
    <AccountsProvider accounts={accounts} turns={windowTurns()}>
      <SessionProvider user={USER}>
        <QueryClientProvider client={queries}>
          <FanfareProvider client={client}>
            <MemoryRouter>
              <ChatLive />
              <Total />
              {shown && (
                <ConversationPanel
                  peer={9}
                  name="Worker #9"
                  about="Landing page"
                  alone={false}
                  onClose={() => (closed = true)}
                />
              )}
            </MemoryRouter>
          </FanfareProvider>
        </QueryClientProvider>
      </SessionProvider>
    </AccountsProvider>,
  );
  return stage;
}

/** The number that the navigation shows. */
function Total() {
  const total = [...useUnread().values()].reduce((sum, count) => sum + count, 0);
  return (
    <p data-testid="total">
      <Unread count={total} />
    </p>
  );
}

async function respond(stage: Stage, request: Request): Promise<Response> {
  if (!stage.up) throw new TypeError("nobody there");
  const { pathname: path, searchParams: query } = new URL(request.url);
  const { method } = request;
  if (method !== "GET") stage.calls.push(`${method} ${path}`);
  if (path === "/api/chat/blocks/9") {
    if (method === "PUT") stage.blocked = true;
    if (method === "DELETE") stage.blocked = false;
    if (method === "DELETE") return new Response(null, { status: 204 });
    return stage.blocked
      ? json(200, { user_id: 9, created_at: "2026-01-01T00:00:00.000Z" })
      : json(404, { type: "about:blank", title: "", status: 404, code: "not_found" });
  }
  if (path === "/api/chat/conversations") {
    const last_message = stage.messages.at(-1);
    const unread_count = stage.messages.filter((one) => one.from_user_id === 9 && !one.read).length;
    const items = last_message
      ? [{ user_id: 9, last_message, unread_count, last_read_id: null, peer_last_read_id: null }]
      : [];
    return json(200, { items, next: null });
  }
  if (path === "/api/chat/9/messages" && method === "GET") {
    const before = Number(query.get("before") ?? Number.POSITIVE_INFINITY);
    const limit = Number(query.get("limit"));
    const older = stage.messages.filter(({ id }) => id < before).reverse();
    const items = older.slice(0, limit);
    return json(200, { items, next: older.length > limit ? items.at(-1)?.id : null });
  }
  return json(503, { type: "about:blank", title: "", status: 503, code: "store_unavailable" });
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

function memory(): Store {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}
