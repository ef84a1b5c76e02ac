// socket.io-client as applications in the field have it, in both ages and on all transports, for tests: made, waited for, and ended with
// the test. Nothing of it is changed. Not here: what clients should see.

import { io as newest } from "socket.io-client";
import { io as old } from "socket.io-client-4.5.4";
import { tokenOf } from "./stage.mjs";

/** The versions, by what they are called in a test's name. */
export const CLIENTS = [
  ["socket.io-client 4.5.4", old],
  ["the newest socket.io-client", newest],
];

/** How a client reaches the hub; `upgrade` is what it does by itself. */
export const TRANSPORTS = [
  ["polling only", ["polling"], "polling"],
  ["upgrade", ["polling", "websocket"], "websocket"],
  ["WebSocket only", ["websocket"], "websocket"],
];

export const NAMESPACES = ["/sns", "/orders", "/chat", "/notifications"];

/** How long anything may take that should be there in a moment: a debug build on a busy machine. */
const PATIENCE_MS = 30_000;

const LOOK_EVERY_MS = 10;

/** Waits until `look` gives something that is true, and gives that. `wanted` says what it was. */
export async function until(look, wanted) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${typeof wanted === "function" ? wanted() : wanted}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** The sockets of one test. */
export class Sockets {
  #all = [];

  /** A socket of a user in a namespace that comes back soon; it is connecting. `diary` has every event: `[type, ...arguments]`. */
  open(io, url, namespace, user, { auth = {}, ...options } = {}) {
    const socket = io(new URL(namespace, url).href, {
      auth: { ...(user === null ? {} : { token: tokenOf(user) }), ...auth },
      forceNew: true,
      reconnectionDelay: 100,
      reconnectionDelayMax: 500,
      ...options,
    });
    socket.diary = [];
    socket.onAny((...event) => socket.diary.push(event));
    this.#all.push(socket);
    return socket;
  }

  /** The four namespaces of a user over one connection, as `io()` shares it. */
  async openFour(io, url, user, options = {}) {
    const first = this.open(io, url, NAMESPACES[0], user, options);
    const rest = NAMESPACES.slice(1).map((name) => {
      const socket = first.io.socket(name, { auth: { token: tokenOf(user) } });
      socket.diary = [];
      socket.onAny((...event) => socket.diary.push(event));
      this.#all.push(socket);
      return socket;
    });
    const four = [first, ...rest];
    await Promise.all(four.map(connected));
    return four;
  }

  /** Ends a socket of a test's own with the others. */
  keep(socket) {
    this.#all.push(socket);
  }

  close() {
    for (const socket of this.#all.splice(0)) socket.disconnect();
  }
}

/** Waits until a socket is connected. */
export async function connected(socket) {
  let why = "nothing was answered";
  const note = (error) => {
    why = error.message;
  };
  socket.on("connect_error", note);
  await until(
    () => socket.connected,
    () => `${socket.nsp} connected (${why})`,
  );
  socket.off("connect_error", note);
  return socket;
}

/** Waits until a socket was refused; what it was told. */
export function refused(socket) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${socket.nsp} was not refused`)), PATIENCE_MS);
    socket.on("connect_error", (error) => {
      if (socket.active) return;
      clearTimeout(timer);
      resolve(error);
    });
    socket.on("connect", () => {
      clearTimeout(timer);
      reject(new Error(`${socket.nsp} was connected`));
    });
  });
}

/** Waits until a socket uses a transport. */
export function uses(socket, transport) {
  return until(() => socket.io.engine.transport.name === transport, `the transport is ${transport}`);
}

/** Emits, and gives the acknowledgement. */
export function ask(socket, event, ...data) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${event} was not acknowledged`)), PATIENCE_MS);
    socket.emit(event, ...data, (...answer) => {
      clearTimeout(timer);
      if (answer.length === 1) resolve(answer[0]);
      else reject(new Error(`${event} was acknowledged with ${answer.length} arguments`));
    });
  });
}

/** Waits for the first event of a type; its arguments. */
export async function told(socket, type) {
  const find = () => socket.diary.find(([name]) => name === type);
  const [, ...args] = await until(find, () => `${type} in ${socket.nsp}: ${JSON.stringify(socket.diary)}`);
  return args;
}

let marks = 0;

/** Waits until all that was published before has arrived at these sockets; their diaries without the mark. */
export async function settled(server, sockets) {
  marks += 1;
  const type = `mark_${marks}`;
  for (const namespace of new Set(sockets.map(({ nsp }) => nsp))) await server.publish({ type, namespace });
  await Promise.all(sockets.map((socket) => told(socket, type)));
  return sockets.map(({ diary }) => diary.filter(([name]) => !name.startsWith("mark_")));
}
