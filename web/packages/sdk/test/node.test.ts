// In Node, with the package ws and real sockets: the client against a small server that speaks the hub's protocol.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { freePort } from "../../../browser-tests/ports.mjs";
import { type Client, type ClientOptions, type ConnectionState, createClient } from "../src/index.js";

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

/** A server on a free port: welcomes everyone, confirms subscriptions. */
async function server(port = 0) {
  const listening = new WebSocketServer({
    port,
    host: "127.0.0.1",
    handleProtocols: (offered) => (offered.has("fanfare") ? "fanfare" : false),
  });
  await once(listening, "listening");
  const sockets: WebSocket[] = [];
  const protocols: (string | undefined)[] = [];
  const channels: string[] = [];
  const say = (socket: WebSocket, type: string, data: unknown) =>
    socket.send(JSON.stringify({ type, data, timestamp: new Date().toISOString() }));
  listening.on("connection", (socket, request) => {
    sockets.push(socket);
    protocols.push(request.headers["sec-websocket-protocol"]);
    socket.on("message", (text) => {
      const frame = JSON.parse(String(text)) as { type: string; channels: string[] };
      if (frame.type !== "subscribe") return;
      channels.push(...frame.channels);
      say(socket, "subscribed", { channels: frame.channels });
    });
    say(socket, "connected", { connection_id: `c${sockets.length}` });
  });
  const stop = async () => {
    for (const socket of listening.clients) socket.terminate();
    await new Promise((resolve) => listening.close(resolve));
  };
  ended.push(stop);
  const { port: bound } = listening.address() as AddressInfo;
  return { port: bound, sockets, protocols, channels, say, stop };
}

function connect(port: number, options: Partial<ClientOptions> = {}): Client {
  const client = createClient({
    url: `http://127.0.0.1:${port}/ws`,
    WebSocket,
    minDelay: 20,
    maxDelay: 50,
    ...options,
  });
  ended.push(() => client.close());
  return client;
}

/** Waits for a state. */
function until<S extends ConnectionState["status"]>(client: Client, status: S): Promise<ConnectionState> {
  return new Promise((resolve) => {
    if (client.state.status === status) return resolve(client.state);
    const remove = client.onState((state) => {
      if (state.status !== status) return;
      remove();
      resolve(state);
    });
  });
}

describe("with the package ws", () => {
  test("connects with its token, gets an event, loses the connection and comes back", async () => {
    const hub = await server();
    const client = connect(hub.port, { getToken: async () => "abc" });
    client.subscribe("jobs");
    const heard: unknown[] = [];
    client.on("tick", (data) => heard.push(data));
    const tick = () => new Promise((resolve) => client.once("tick", resolve));
    const confirmed = () => new Promise((resolve) => client.once("subscribed", resolve));

    await confirmed();
    expect(client.state).toMatchObject({ status: "open", connectionId: "c1" });
    expect(hub.protocols[0]).toBe("fanfare,abc");
    const first = tick();
    hub.say(hub.sockets[0] as WebSocket, "tick", { n: 1, text: "größer ⌘" });
    await first;

    const again = confirmed();
    hub.sockets[0]?.terminate();
    expect(await until(client, "reconnecting")).toMatchObject({ reason: { code: "lost" } });
    await again;
    expect(client.state).toMatchObject({ status: "open", connectionId: "c2" });
    const second = tick();
    hub.say(hub.sockets[1] as WebSocket, "tick", { n: 2 });
    await second;
    expect(heard).toEqual([{ n: 1, text: "größer ⌘" }, { n: 2 }]);
    expect(hub.channels).toEqual(["jobs", "jobs"]);
    expect(client.channel("jobs")).toEqual({ status: "subscribed" });
  });

  test("waits for a server that is not there, and follows a drain", async () => {
    const hub = await server(await freePort());
    const client = connect(hub.port);
    await until(client, "open");
    hub.sockets[0]?.close(1001, "draining; reconnect in 30 ms");
    expect(await until(client, "reconnecting")).toMatchObject({
      reason: { code: "draining", closeCode: 1001 },
    });
    await hub.stop();
    const unreachable = new Promise<void>((resolve) => {
      client.onState((state) => {
        if (state.reason?.code === "unreachable") resolve();
      });
    });
    await unreachable;
    await server(hub.port);
    await until(client, "open");
  });

  test("4001 without a better token ends it", async () => {
    const hub = await server();
    const client = connect(hub.port, { token: "abc" });
    await until(client, "open");
    hub.sockets[0]?.close(4001, "Unauthorized");
    expect(await until(client, "closed")).toMatchObject({
      reason: { code: "unauthorized", closeCode: 4001 },
    });
  });

  test("close() during the handshake raises nothing", async () => {
    const hub = await server();
    const raised: unknown[] = [];
    const catcher = (error: unknown) => raised.push(error);
    process.on("uncaughtException", catcher);
    ended.push(() => process.off("uncaughtException", catcher));
    const made: WebSocket[] = [];
    class Recorded extends WebSocket {
      constructor(url: string, protocols?: string[]) {
        super(url, protocols);
        made.push(this);
      }
    }
    const client = connect(hub.port, { WebSocket: Recorded });
    await until(client, "connecting");
    await Promise.resolve();
    await Promise.resolve();
    const socket = made[0];
    if (!socket) throw new Error("no socket was made");
    expect(socket.readyState).toBe(WebSocket.CONNECTING);
    const gone = new Promise((resolve) => socket.on("close", resolve));
    client.close();
    await gone;
    expect(client.state.status).toBe("closed");
    expect(raised).toEqual([]);
  });
});
