// /js/websocket.js without a server: a Socket.IO client that the test moves. With real ones, of both ages, it is in
// browser-tests/social.browser.mjs.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Answer, WebSocketClient as Client } from "../src/social-client.js";
import { settle } from "./scene.js";

/** A socket of one namespace, moved by the test. */
class FakeIoSocket {
  connected = false;
  active = false;
  opened = 0;
  sent: unknown[][] = [];
  token: unknown;
  private readonly handlers = new Map<string, ((...args: never[]) => void)[]>();

  constructor(
    readonly namespace: string,
    private readonly auth: (give: (auth: object) => void) => void,
  ) {}

  on(event: string, handler: (...args: never[]) => void): void {
    this.handlers.set(event, [...(this.handlers.get(event) ?? []), handler]);
  }
  off(event: string, handler: (...args: never[]) => void): void {
    this.handlers.set(
      event,
      (this.handlers.get(event) ?? []).filter((one) => one !== handler),
    );
  }
  emit(...args: unknown[]): void {
    this.sent.push(args);
  }
  connect(): void {
    this.active = true;
    this.opened += 1;
    this.auth((auth) => {
      this.token = auth;
    });
  }
  disconnect(): void {
    this.lose("io client disconnect", false);
  }
  /** What the server sends. */
  say(event: string, ...args: unknown[]): void {
    for (const handler of this.handlers.get(event) ?? []) handler(...(args as never[]));
  }
  accept(): void {
    this.connected = true;
    this.say("connect");
  }
  lose(reason: string, active: boolean): void {
    const was = this.connected;
    this.connected = false;
    this.active = active;
    if (was) this.say("disconnect", reason);
  }
  refuse(message: string): void {
    this.active = false;
    this.say("connect_error", new Error(message));
  }
  answer(place: number, answer: object): void {
    const ack = this.sent[place]?.at(-1) as ((answer: object) => void) | undefined;
    ack?.(answer);
  }
}

/** The elements that were to be loaded. */
let scripts: HTMLScriptElement[];
let managers: { url: string; options: Record<string, unknown>; sockets: FakeIoSocket[] }[];

class FakeManager {
  readonly sockets: FakeIoSocket[] = [];
  constructor(url: string, options: Record<string, unknown>) {
    managers.push({ url, options, sockets: this.sockets });
  }
  socket(namespace: string, { auth }: { auth: (give: (auth: object) => void) => void }): FakeIoSocket {
    const socket = new FakeIoSocket(namespace, auth);
    this.sockets.push(socket);
    return socket;
  }
}

interface Page {
  io?: unknown;
  ws?: Client;
  WebSocketClient?: typeof Client;
}
const page = globalThis as unknown as Page;
const IO = { Manager: FakeManager };

beforeEach(() => {
  vi.resetModules();
  localStorage.clear();
  managers = [];
  scripts = [];
  vi.spyOn(document.head, "append").mockImplementation((script) => {
    scripts.push(script as HTMLScriptElement);
  });
  page.io = IO;
});
afterEach(() => {
  page.ws?.disconnect();
  for (const name of ["io", "ws", "WebSocketClient"] as const) delete page[name];
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function load(): Promise<Client> {
  await import("../src/websocket.js");
  await settle();
  return page.ws as Client;
}

/** A page whose user is signed in, with all four connected. */
async function connected(): Promise<{ ws: Client; sockets: FakeIoSocket[]; chat: FakeIoSocket }> {
  localStorage.setItem("auth_token", "t-1");
  const ws = await load();
  const { sockets = [] } = managers[0] ?? {};
  for (const socket of sockets) socket.accept();
  return { ws, sockets, chat: sockets.find(({ namespace }) => namespace === "/chat") as FakeIoSocket };
}

test("a page with a token is connected to all four namespaces, over one connection, when it is there", async () => {
  const { ws, sockets } = await connected();
  expect(sockets.map(({ namespace }) => namespace)).toEqual(["/sns", "/orders", "/chat", "/notifications"]);
  expect(sockets.map(({ token }) => token)).toEqual(new Array(4).fill({ token: "t-1" }));
  expect(managers).toHaveLength(1);
  expect(managers[0]?.options).toMatchObject({ path: "/socket.io/" });
  expect(Object.keys(ws.sockets)).toEqual(["sns", "orders", "chat", "notifications"]);
  expect(ws.isConnected).toBe(true);
  expect(ws).toBeInstanceOf(page.WebSocketClient);
});

test("a page without a token is not connected, and nothing is loaded, until it says connect()", async () => {
  delete page.io;
  const ws = await load();
  expect(ws.isConnected).toBe(false);
  expect(scripts).toEqual([]);
  page.io = IO;
  localStorage.setItem("auth_token", "later");
  ws.connect();
  ws.connect();
  await settle();
  expect(managers).toHaveLength(1);
  expect(managers[0]?.sockets[2]?.token).toEqual({ token: "later" });
});

test("the script that comes twice, and a page that makes a client of its own under the same name, connect once", async () => {
  localStorage.setItem("auth_token", "t-1");
  vi.spyOn(document, "readyState", "get").mockReturnValue("loading");
  const first = await load();
  vi.resetModules();
  await load();
  expect(page.ws).toBe(first);
  const Class = page.WebSocketClient as typeof Client;
  page.ws = new Class();
  vi.spyOn(document, "readyState", "get").mockReturnValue("interactive");
  document.dispatchEvent(new Event("DOMContentLoaded"));
  await settle();
  expect(managers).toHaveLength(1);
  expect((page.ws as Client).sockets.chat).toBeDefined();
  expect(first.sockets.chat).toBeUndefined();
});

test("where the page has no client, the hub's is loaded, from where the script came from, and one of another age stays the page's", async () => {
  page.io = { protocol: 4, Manager: FakeManager };
  const old = page.io;
  await load();
  const Class = page.WebSocketClient as typeof Client;
  const ws = new Class({ url: "wss://hub.example/fanfare?x=1", token: () => Promise.resolve("t-2") });
  ws.connect();
  await settle();
  const [script] = scripts;
  expect(script?.src).toBe("https://hub.example/fanfare/socket.io/socket.io.min.js");
  page.io = IO;
  script?.dispatchEvent(new Event("load"));
  await settle();
  expect(page.io).toBe(old);
  expect(managers[0]).toMatchObject({
    url: "https://hub.example",
    options: { path: "/fanfare/socket.io/", autoConnect: false },
  });
  expect(managers[0]?.sockets[0]?.token).toEqual({ token: "t-2" });
  ws.disconnect();
});

test("a hub that is away when its client is loaded is asked again, and not after disconnect()", async () => {
  vi.useFakeTimers();
  const told = vi.spyOn(console, "warn").mockImplementation(() => {});
  delete page.io;
  const { WebSocketClient } = await import("../src/social-client.js");
  const ws = new WebSocketClient({ url: "http://hub.test/" });
  ws.connect();
  await vi.advanceTimersByTimeAsync(0);
  scripts[0]?.dispatchEvent(new Event("error"));
  await vi.advanceTimersByTimeAsync(0);
  expect(scripts).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(scripts).toHaveLength(2);
  expect(told).toHaveBeenCalledOnce();
  ws.disconnect();
  scripts[1]?.dispatchEvent(new Event("error"));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(scripts).toHaveLength(2);
});

test("callbacks that were registered before connect() get events, and each stands for itself", async () => {
  const ws = await load();
  const got: unknown[] = [];
  const told = vi.spyOn(console, "error").mockImplementation(() => {});
  ws.on("chat", "message_received", () => {
    throw new Error("of the page");
  });
  ws.on("chat", "message_received", (message: never) => got.push(message));
  ws.on("/orders", "order_updated", (order: never) => got.push(order));
  localStorage.setItem("auth_token", "t");
  ws.connect();
  await settle();
  const [, orders, chat] = managers[0]?.sockets ?? [];
  ws.on("chat", "connect", () => got.push("connected"));
  chat?.accept();
  chat?.say("message_received", { id: 1 });
  orders?.say("order_updated", { id: 2 });
  orders?.say("message_received", { id: 3 });
  expect(got).toEqual(["connected", { id: 1 }, { id: 2 }]);
  expect(told).toHaveBeenCalledOnce();
  expect(() => ws.on("nowhere", "x", () => {})).toThrow(/sns, orders, chat, notifications/);
  expect(() => ws.on("chat", "x", null as never)).toThrow(TypeError);
});

test("off() takes one callback away, or with null all of that event, and the client goes on", async () => {
  const { ws, chat } = await connected();
  const got: string[] = [];
  const first = () => got.push("first");
  const second = () => got.push("second");
  ws.on("chat", "user_typing", first);
  const remove = ws.on("chat", "user_typing", second);
  ws.on("chat", "message_read", first);
  ws.off("chat", "user_typing", first);
  chat.say("user_typing");
  remove();
  ws.on("chat", "user_typing", first);
  ws.on("chat", "user_typing", second);
  ws.off("chat", "user_typing", null);
  chat.say("user_typing");
  chat.say("message_read");
  expect(got).toEqual(["second", "first"]);
  ws.off("chat", "connect", null);
  ws.off("chat", "disconnect", null);
  chat.lose("transport close", true);
  ws.emit("chat", "typing", { n: 1 });
  chat.accept();
  expect(chat.sent).toEqual([["typing", { n: 1 }]]);
  ws.on("chat", "user_typing", second);
  chat.say("user_typing");
  expect(got).toEqual(["second", "first", "second"]);
});

test("chat: the three calls send what the contract says, and resolve with the answer", async () => {
  const { ws, chat } = await connected();
  const answers = [ws.sendMessage(8, "hi"), ws.setTyping("8", true), ws.markRead(12)];
  expect(chat.sent.map(([event, data]) => [event, data])).toEqual([
    ["send_message", { to_user_id: 8, message: "hi" }],
    ["typing", { to_user_id: "8", is_typing: true }],
    ["mark_read", { message_id: 12 }],
  ]);
  chat.answer(0, { success: true, id: 5 });
  chat.answer(1, { success: true });
  chat.answer(2, { success: false, code: "not_found", message: "no such message" });
  expect(await Promise.all(answers)).toEqual([
    { success: true, id: 5 },
    { success: true },
    { success: false, code: "not_found", message: "no such message" },
  ]);
});

test("a message is never kept for later, and one whose answer is lost is told apart from one that was not sent", async () => {
  vi.useFakeTimers();
  const { ws, chat } = await connected();
  const lost = ws.sendMessage(8, "lost");
  chat.lose("transport close", true);
  expect(await lost).toMatchObject({ success: false, code: "unanswered" });
  expect(await ws.sendMessage(8, "unsent")).toMatchObject({ success: false, code: "disconnected" });
  chat.accept();
  expect(chat.sent).toHaveLength(1);
  const late = ws.sendMessage(8, "late");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await late).toMatchObject({ success: false, code: "unanswered" });
});

test("other events wait for the connection, a hundred of them, and are dropped by disconnect()", async () => {
  const { ws, chat } = await connected();
  chat.lose("transport close", true);
  const refused: Answer[] = [];
  for (let n = 0; n < 102; n++) ws.emit("chat", "mark_read", { n }, (answer) => refused.push(answer));
  expect(refused.map(({ code }) => code)).toEqual(["disconnected", "disconnected"]);
  chat.accept();
  expect(chat.sent.map(([, data]) => (data as { n: number }).n)).toEqual(
    Array.from({ length: 100 }, (_, n) => n),
  );
  chat.lose("transport close", true);
  ws.emit("chat", "mark_read", { n: "of the first user" }, (answer) => refused.push(answer));
  ws.disconnect();
  expect(refused).toHaveLength(3);
  localStorage.setItem("auth_token", "t-of-another");
  ws.connect();
  await settle();
  chat.accept();
  expect(chat.token).toEqual({ token: "t-of-another" });
  expect(chat.sent).toHaveLength(100);
});

test("a namespace that the server ended comes back after a pause that grows, and stays away after disconnect()", async () => {
  vi.useFakeTimers();
  const { ws, chat } = await connected();
  chat.lose("io server disconnect", false);
  expect(chat.opened).toBe(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(chat.opened).toBe(2);
  chat.accept();
  chat.lose("io server disconnect", false);
  await vi.advanceTimersByTimeAsync(999);
  expect(chat.opened).toBe(2);
  await vi.advanceTimersByTimeAsync(1_001);
  expect(chat.opened).toBe(3);
  chat.accept();
  chat.lose("io server disconnect", false);
  ws.disconnect();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(chat.opened).toBe(3);
});

test("a token that was refused is not tried again; a newer one is, at once by connect() or by itself", async () => {
  vi.useFakeTimers();
  const told = vi.spyOn(console, "warn").mockImplementation(() => {});
  const { ws, chat } = await connected();
  chat.lose("io server disconnect", false);
  await vi.advanceTimersByTimeAsync(1_000);
  chat.refuse("Unauthorized");
  await vi.advanceTimersByTimeAsync(120_000);
  expect(chat.opened).toBe(2);
  expect(told.mock.calls).toEqual([["The server refused /chat: Unauthorized."]]);
  localStorage.setItem("auth_token", "t-2");
  ws.connect();
  await vi.advanceTimersByTimeAsync(0);
  expect([chat.opened, chat.token]).toEqual([3, { token: "t-2" }]);
  // Renewed while the attempt with the old one was under way.
  localStorage.setItem("auth_token", "t-3");
  chat.refuse("Unauthorized");
  await vi.advanceTimersByTimeAsync(4_000);
  expect([chat.opened, chat.token]).toEqual([4, { token: "t-3" }]);
});

test("signing out or in in another tab holds here too", async () => {
  const { ws, chat } = await connected();
  const changed = (newValue: string | null) =>
    dispatchEvent(new StorageEvent("storage", { key: "auth_token", newValue }));
  changed("renewed");
  expect([ws.isConnected, chat.opened]).toEqual([true, 1]);
  changed(null);
  expect(ws.isConnected).toBe(false);
  changed("somebody");
  expect(chat.opened).toBe(2);
});
