// The npm socket.io baseline of `scripts/bench --only socketio`: one process, the library's defaults, and what the hub does besides for these
// clients: a token is verified for each connection to a namespace, and a socket joins its user's address. `POST /broadcast` takes the
// hub's publications, to a namespace and, with `user_id`, to one user in it.
// Not in it: channels, history, limits, a log. The clients are `loadgen`'s.
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "socket.io";

const secret = process.env.JWT_SECRET ?? "";
const NAMESPACES = ["/sns", "/orders", "/chat", "/notifications"];

const part = (text) => JSON.parse(Buffer.from(text, "base64url").toString());

/** The claims of a token by HS256 that is not over; nothing for any other. */
function claimsOf(token) {
  const [head, body, signature, more] = String(token).split(".");
  if (signature === undefined || more !== undefined || secret === "") return undefined;
  const own = createHmac("sha256", secret).update(`${head}.${body}`).digest();
  const given = Buffer.from(signature, "base64url");
  if (given.length !== own.length || !timingSafeEqual(given, own)) return undefined;
  const claims = part(head).alg === "HS256" ? part(body) : undefined;
  return claims?.exp > Date.now() / 1_000 ? claims : undefined;
}

function publish({ type, data = {}, namespace, user_id }) {
  const { sockets, adapter } = io.of(namespace);
  const room = user_id === undefined ? undefined : `user:${user_id}`;
  (room === undefined ? io.of(namespace) : io.of(namespace).to(room)).emit(type, data);
  const recipients = room === undefined ? sockets.size : (adapter.rooms.get(room)?.size ?? 0);
  return { success: true, id: randomUUID(), recipients };
}

function answer(response, status, value) {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body);
}

const server = createServer((request, response) => {
  if (request.method !== "POST" || request.url !== "/broadcast") {
    answer(response, 404, { success: false });
    return;
  }
  const parts = [];
  request.on("data", (bytes) => parts.push(bytes));
  request.on("end", () => {
    try {
      const publication = JSON.parse(Buffer.concat(parts).toString());
      if (!NAMESPACES.includes(publication.namespace)) throw new Error("no such namespace");
      answer(response, 200, publish(publication));
    } catch {
      answer(response, 400, { success: false });
    }
  });
});
// Longer than any pause of a publisher or of a polling client.
server.keepAliveTimeout = 120_000;

const io = new Server(server, {
  serveClient: false,
  // As the hub has it; the library's own is 20 s.
  pingTimeout: 60_000,
});
for (const name of NAMESPACES) {
  const namespace = io.of(name);
  namespace.use((socket, next) => {
    let claims;
    try {
      claims = claimsOf(socket.handshake.auth.token);
    } catch {
      // No token at all, or one that is no JSON inside: as any bad one.
    }
    if (claims === undefined) {
      next(new Error("Unauthorized"));
      return;
    }
    socket.data.userId = claims.user_id ?? claims.sub;
    next();
  });
  namespace.on("connection", (socket) => socket.join(`user:${socket.data.userId}`));
}

server.listen(
  { port: Number(process.env.PORT ?? 8080), host: process.env.HOST ?? "127.0.0.1", backlog: 4_096 },
  () => console.log(`ready: http://${server.address().address}:${server.address().port}/`),
);
