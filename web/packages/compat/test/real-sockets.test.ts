// @vitest-environment node
// The two clients over real sockets of the package ws, against a small server that speaks their dialects: lost, restarted, replayed.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { freePort } from "../../../browser-tests/ports.mjs";
import { DashboardWebSocketClient } from "../src/dashboard-client.js";
import type { FlatFrame } from "../src/flat-frames.js";
import { NotificationService } from "../src/task-notifications.js";
import { NOW } from "./scene.js";

vi.setConfig({ testTimeout: 60_000 });

/** Waits for what is there in a moment; on a busy machine that is a long one. */
const until = (look: () => boolean) => vi.waitUntil(look, { timeout: 20_000 });

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

/** A server on a port, which greets and answers by `speak`. */
async function server(speak: (socket: WebSocket, frame: FlatFrame | null, query: string) => void, port = 0) {
  const listening = new WebSocketServer({ port, host: "127.0.0.1" });
  await once(listening, "listening");
  listening.on("connection", (socket, { url = "" }) => {
    speak(socket, null, url);
    socket.on("message", (text) => speak(socket, JSON.parse(String(text)) as FlatFrame, url));
  });
  let stopped = false;
  const stop = async () => {
    if (stopped) return;
    stopped = true;
    for (const socket of listening.clients) socket.terminate();
    await new Promise((resolve) => listening.close(resolve));
  };
  ended.push(stop);
  const { port: bound } = listening.address() as AddressInfo;
  const say = (frame: object) => {
    for (const socket of listening.clients) socket.send(JSON.stringify(frame));
  };
  return { port: bound, say, stop, clients: listening.clients };
}

const event = (n: number) => ({ type: "image_processed", documentId: n, timestamp: NOW });

test("a dashboard whose server is killed and comes back on the same port goes on, each event once", async () => {
  const published: object[] = [];
  let answered = 0;
  const speak = (socket: WebSocket, frame: FlatFrame | null) => {
    if (frame?.type === "ping") socket.send(JSON.stringify({ type: "pong", timestamp: NOW }));
    if (frame?.type !== "subscribe" && frame?.type !== "reconnect") return;
    answered++;
    socket.send(
      JSON.stringify({ type: "subscribed", userId: "7", connectionId: `c${answered}`, timestamp: NOW }),
    );
    // All since the beginning: the server knows of nothing that has arrived.
    if (frame.type === "reconnect") for (const one of published) socket.send(JSON.stringify(one));
  };
  let hub = await server(speak, await freePort());
  const publish = (n: number) => {
    published.push(event(n));
    hub.say(event(n));
  };
  const client = new DashboardWebSocketClient({
    url: `http://127.0.0.1:${hub.port}/`,
    WebSocket,
    reconnectDelay: 20,
    maxReconnectDelay: 50,
  });
  ended.push(() => client.disconnect());
  const heard: unknown[] = [];
  const connections: unknown[] = [];
  client.on("image_processed", ({ documentId }) => heard.push(documentId));
  client.on("connected", ({ connectionId, restored }) => connections.push([connectionId, restored]));
  client.connect(7);
  await until(() => connections.length === 1);
  publish(1);
  publish(2);
  await until(() => heard.length === 2);
  await hub.stop();
  await until(() => !client.getState().isConnected);
  published.push(event(3));
  await until(() => client.getState().reconnectAttempts >= 2);
  hub = await server(speak, hub.port);
  await until(() => heard.length === 3);
  for (const socket of hub.clients) socket.close(1001, "draining; reconnect in 10 ms");
  await until(() => connections.length === 3);
  publish(4);
  await until(() => heard.length >= 4);
  expect(heard).toEqual([1, 2, 3, 4]);
  expect(connections).toEqual([
    ["c1", false],
    ["c2", true],
    ["c3", true],
  ]);
});

test("the service of tasks is greeted with its token, pinged and told", async () => {
  const queries: string[] = [];
  const hub = await server((socket, frame, query) => {
    if (frame !== null) return;
    queries.push(query);
    socket.send(
      '{"type":"connection_established","message":"WebSocket connected successfully","user_id":9007199254740993}',
    );
  });
  const service = new NotificationService({
    url: `ws://127.0.0.1:${hub.port}/ws/notifications/`,
    token: "a.b.c",
    WebSocket,
  });
  ended.push(() => service.disconnect());
  const told: string[] = [];
  for (const name of ["connected", "uploadProgress", "uploadCompleted", "disconnected"]) {
    service.on(name, () => told.push(name));
  }
  service.connect();
  await until(() => service.isConnected);
  hub.say({ type: "oracle_upload_progress", transaction_id: 602, step_number: 2, total_steps: 5 });
  hub.say({ type: "oracle_upload_completed", transaction_id: 602, success: true });
  await until(() => told.length === 3);
  await hub.stop();
  await until(() => told.length === 4);
  expect(told).toEqual(["connected", "uploadProgress", "uploadCompleted", "disconnected"]);
  expect(queries).toEqual(["/ws/notifications/?token=a.b.c"]);
});
