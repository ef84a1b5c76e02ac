// The Bun baseline: the hub's minimal protocol on Bun's built-in server, which is uWebSockets inside. `publish` is its native fan-out: one
// topic tree, the frame made once. Compression is off.
// Not in it: authentication (the token is decoded, not verified), limits, history.
const envelope = (type, data) => JSON.stringify({ type, data, timestamp: new Date().toISOString() });

const userOf = (url) => {
  const token = new URL(url).searchParams.get("token");
  return token ? JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString()).user_id : undefined;
};

Bun.serve({
  port: Number(process.env.PORT ?? 8080),
  hostname: process.env.HOST ?? "127.0.0.1",
  idleTimeout: 120,
  routes: {
    "/ws": (request, server) =>
      server.upgrade(request, { data: { userId: userOf(request.url) } })
        ? undefined
        : new Response("upgrade required", { status: 426 }),
    "/broadcast": {
      POST: async (request, server) => {
        let body;
        try {
          body = await request.json();
        } catch {
          return Response.json({ success: false }, { status: 400 });
        }
        server.publish(body.channel, envelope(body.type, body.data ?? {}));
        const recipients = server.subscriberCount(body.channel);
        return Response.json({ success: true, id: crypto.randomUUID(), recipients });
      },
    },
    "/health": (_request, server) =>
      Response.json({ status: "healthy", connections: server.pendingWebSockets }),
  },
  fetch: () => new Response("not found", { status: 404 }),
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 960,
    maxPayloadLength: 64 * 1024,
    open(socket) {
      socket.send(envelope("connected", { connection_id: crypto.randomUUID() }));
    },
    message(socket, text) {
      let frame;
      try {
        frame = JSON.parse(text);
      } catch {
        return void socket.send(envelope("error", { code: "invalid_json" }));
      }
      if (frame.type === "ping") socket.send(envelope("pong", {}));
      if (frame.type !== "subscribe") return;
      for (const channel of frame.channels) socket.subscribe(channel);
      socket.send(envelope("subscribed", { channels: frame.channels }));
    },
  },
});
