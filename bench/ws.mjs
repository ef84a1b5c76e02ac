// The npm `ws` baseline: the hub's minimal protocol, written as the library's own manual advises. One process, no compression, and each
// event is serialised to a Buffer once, so that `ws` neither copies nor encodes it per client.
// Not in it: authentication (the token is decoded, not verified), limits, history.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

/** @type {Map<string, Set<import("ws").WebSocket>>} */
const channels = new Map();
let connections = 0;

const envelope = (type, data) => Buffer.from(JSON.stringify({ type, data, timestamp: new Date().toISOString() }));

const userOf = (url) => {
  const token = new URL(url, "http://localhost").searchParams.get("token");
  return token ? JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString()).user_id : undefined;
};

const publish = ({ type, data = {}, channel }) => {
  const subscribers = channels.get(channel);
  const frame = envelope(type, data);
  if (subscribers) for (const socket of subscribers) socket.send(frame, { binary: false });
  return { success: true, id: randomUUID(), recipients: subscribers?.size ?? 0 };
};

const answer = (response, status, value) => {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body);
};

const server = createServer((request, response) => {
  if (request.method === "POST" && request.url === "/broadcast") {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      try {
        answer(response, 200, publish(JSON.parse(Buffer.concat(parts).toString())));
      } catch {
        answer(response, 400, { success: false });
      }
    });
  } else if (request.url === "/health") answer(response, 200, { status: "healthy", connections });
  else answer(response, 404, { success: false });
});
server.keepAliveTimeout = 120_000;

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });
sockets.on("connection", (socket, request) => {
  connections += 1;
  socket.userId = userOf(request.url);
  socket.joined = new Set();
  socket.on("message", (text) => {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return socket.send(envelope("error", { code: "invalid_json" }), { binary: false });
    }
    if (frame.type === "ping") socket.send(envelope("pong", {}), { binary: false });
    if (frame.type !== "subscribe") return;
    for (const channel of frame.channels) {
      let subscribers = channels.get(channel);
      if (!subscribers) channels.set(channel, (subscribers = new Set()));
      subscribers.add(socket);
      socket.joined.add(channel);
    }
    socket.send(envelope("subscribed", { channels: frame.channels }), { binary: false });
  });
  socket.on("close", () => {
    connections -= 1;
    for (const channel of socket.joined) {
      const subscribers = channels.get(channel);
      if (subscribers?.delete(socket) && subscribers.size === 0) channels.delete(channel);
    }
  });
  socket.on("error", () => {});
  socket.send(envelope("connected", { connection_id: randomUUID() }), { binary: false });
});
server.on("upgrade", (request, socket, head) =>
  sockets.handleUpgrade(request, socket, head, (accepted) => sockets.emit("connection", accepted, request)),
);

server.listen({ port: Number(process.env.PORT ?? 8080), host: process.env.HOST ?? "127.0.0.1", backlog: 4096 });
