// The scripts of a page together: toasts, the line about the connection, who is connected. In a page without a server; with one they
// are in browser-tests/compat.browser.mjs.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DashboardWebSocketClient } from "../src/dashboard-client.js";
import type { ShowToast } from "../src/toast-notifications.js";
import { confirm, type FakeSocket, fakeSockets, NOW, say, settle } from "./scene.js";

interface Page {
  showToast?: ShowToast;
  getDashboardWebSocket?: () => DashboardWebSocketClient | null;
  DashboardWebSocketClient?: unknown;
  WebSocket?: unknown;
}

const page = globalThis as unknown as Page;
const before = page.WebSocket;
let sockets: FakeSocket[];

beforeEach(() => {
  vi.resetModules();
  sessionStorage.clear();
  document.body.innerHTML = '<p id="ws-connection-status"></p>';
  const fake = fakeSockets();
  sockets = fake.sockets;
  page.WebSocket = fake.WebSocket;
});

afterEach(() => {
  page.getDashboardWebSocket?.()?.disconnect();
  for (const name of ["showToast", "getDashboardWebSocket", "DashboardWebSocketClient"] as const)
    delete page[name];
  delete document.body.dataset.userId;
  delete document.body.dataset.wsUrl;
  page.WebSocket = before;
  vi.unstubAllGlobals();
});

const status = (): HTMLElement => document.getElementById("ws-connection-status") as HTMLElement;
const titles = (): (string | null)[] =>
  [...document.querySelectorAll("#toast-container .fanfare-toast-title")].map(
    ({ textContent }) => textContent,
  );

async function load(...names: ("client" | "toasts" | "init")[]): Promise<void> {
  for (const name of names) {
    if (name === "client") await import("../src/websocket-client.js");
    if (name === "toasts") await import("../src/toast-notifications.js");
    if (name === "init") await import("../src/dashboard-websocket-init.js");
  }
  await settle();
}

async function welcome(userId: string): Promise<FakeSocket> {
  const [socket] = sockets;
  if (!socket) throw new Error("no socket was opened");
  socket.accept();
  await confirm(socket, "id-page", userId);
  return socket;
}

test("the page's user is connected, the line is live, and events are toasts", async () => {
  document.body.dataset.userId = "7";
  document.body.dataset.wsUrl = "ws://hub.test/";
  await load("client", "toasts", "init");
  expect(status().textContent).toBe("○ Offline");
  const socket = await welcome("7");
  expect(socket.frames).toEqual([{ type: "subscribe", userId: "7" }]);
  expect(status().textContent).toBe("● Live");
  expect(status().style.color).toContain("#1a7f4b");
  expect(status().dataset.state).toBe("live");
  await say(socket, { type: "image_processed", documentId: "17", timestamp: NOW });
  await say(socket, { type: "image_processing_progress", progress: 40, timestamp: NOW });
  expect(titles()).toEqual(["Image processed successfully"]);
  await socket.end();
  expect(status().textContent).toBe("○ Offline");
  expect(status().title).toMatch(/^The connection broke off\. Reconnecting in \d+ s\.$/);
});

test("4001 is an error that stays", async () => {
  document.body.dataset.userId = "7";
  document.body.dataset.wsUrl = "ws://hub.test/";
  await load("client", "toasts", "init");
  sockets[0]?.accept();
  await sockets[0]?.end(4001, "Unauthorized");
  expect(status().textContent).toBe("⚠ Error");
  expect(status().style.color).toContain("#b42318");
});

test("what the server refuses is an error; one bad frame on a good connection is none", async () => {
  document.body.dataset.userId = "7";
  document.body.dataset.wsUrl = "ws://hub.test/";
  await load("client", "init");
  sockets[0]?.accept();
  await say(sockets[0] as FakeSocket, { type: "error", message: "userId must be that of the token" });
  expect(status().textContent).toBe("⚠ Error");
  expect(status().title).toBe("userId must be that of the token");
  page.getDashboardWebSocket?.()?.connect();
  await confirm(sockets[0] as FakeSocket, "id", "7");
  expect(status().textContent).toBe("● Live");
  await sockets[0]?.say("no JSON");
  await say(sockets[0] as FakeSocket, { type: "error", message: "unknown type" });
  expect(status().textContent).toBe("● Live");
});

test("the user of the storage is taken where the body names none", async () => {
  sessionStorage.setItem("user_id", "9");
  document.body.dataset.wsUrl = "ws://hub.test/";
  await load("client", "init");
  expect((await welcome("9")).frames).toEqual([{ type: "subscribe", userId: "9" }]);
});

test("without a user nothing is connected, and the page may do it later", async () => {
  document.body.dataset.wsUrl = "ws://hub.test/";
  await load("client", "init");
  expect(sockets).toHaveLength(0);
  expect(status().textContent).toBe("○ Offline");
  page.getDashboardWebSocket?.()?.connect("5");
  await settle();
  await welcome("5");
  expect(status().textContent).toBe("● Live");
});

test("a page without the line, and one without toasts, work", async () => {
  document.body.innerHTML = "";
  document.body.dataset.userId = "7";
  document.body.dataset.wsUrl = "ws://hub.test/";
  await load("client", "init");
  const socket = await welcome("7");
  await say(socket, { type: "pdf_generated", reportId: 1, timestamp: NOW });
  expect(page.getDashboardWebSocket?.()?.getState().isConnected).toBe(true);
});

test("the order of the scripts does not matter, nor does one that comes twice", async () => {
  document.body.dataset.userId = "7";
  document.body.dataset.wsUrl = "ws://hub.test/";
  vi.spyOn(document, "readyState", "get").mockReturnValue("loading");
  await load("init", "toasts", "client");
  vi.resetModules();
  await load("init");
  expect(sockets).toHaveLength(0);
  vi.spyOn(document, "readyState", "get").mockReturnValue("interactive");
  document.dispatchEvent(new Event("DOMContentLoaded"));
  await settle();
  expect(sockets).toHaveLength(1);
  await say(await welcome("7"), { type: "pdf_generated", reportId: 1, timestamp: NOW });
  expect(titles()).toEqual(["PDF ready"]);
});

test("a client that is loaded after the page is waited for; one that never comes is said to be missing", async () => {
  document.body.dataset.userId = "7";
  document.body.dataset.wsUrl = "ws://hub.test/";
  const told = vi.spyOn(console, "error").mockImplementation(() => {});
  vi.spyOn(document, "readyState", "get").mockReturnValue("interactive");
  await load("init");
  expect(sockets).toHaveLength(0);
  await load("client");
  dispatchEvent(new Event("load"));
  await settle();
  expect(sockets).toHaveLength(1);
  page.getDashboardWebSocket?.()?.disconnect();
  for (const name of ["getDashboardWebSocket", "DashboardWebSocketClient"] as const) delete page[name];
  vi.resetModules();
  vi.spyOn(document, "readyState", "get").mockReturnValue("complete");
  await load("init");
  expect(status().textContent).toBe("⚠ Error");
  expect(told).toHaveBeenCalledOnce();
  expect(page.getDashboardWebSocket?.()).toBeNull();
});

test("showToast shows text and no markup, of any kind, at most three at once, in the container that is there", async () => {
  document.body.innerHTML = '<main></main><div id="toast-container"></div>';
  await load("toasts");
  const show = page.showToast as ShowToast;
  const container = document.getElementById("toast-container");
  show("<img src=x onerror=alert(1)>", "<b>bold</b>", "success");
  expect(container?.querySelector("img, b")).toBeNull();
  expect(titles()).toEqual(["<img src=x onerror=alert(1)>"]);
  show(null, undefined, "strange" as never, Number.NaN);
  show(42, { toString: () => "an object" });
  for (let count = 0; count < 50; count++) show(`More ${count}`, "", "warning");
  expect(container?.querySelectorAll(".fanfare-toast")).toHaveLength(3);
  expect(document.querySelectorAll("#toast-container")).toHaveLength(1);
  const kinds = [...document.querySelectorAll<HTMLElement>(".fanfare-toast")].map(
    ({ dataset }) => dataset.kind,
  );
  expect(kinds).toEqual(["info", "info", "success"]);
  expect(container?.querySelector('[aria-live="assertive"]')).not.toBeNull();
});

test("toasts stay for their time: 5 s, or what is asked for", async () => {
  vi.useFakeTimers();
  await load("toasts");
  const show = page.showToast as ShowToast;
  show("short", "", "info", 1_000);
  show("usual", "");
  show("stays", "", "info", 0);
  vi.advanceTimersByTime(1_500);
  expect(titles()).toEqual(["stays", "usual"]);
  vi.advanceTimersByTime(4_000);
  expect(titles()).toEqual(["stays"]);
  vi.advanceTimersByTime(3_600_000);
  expect(titles()).toEqual(["stays"]);
  vi.useRealTimers();
});
