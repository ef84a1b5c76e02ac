// The Socket.IO client as a page has it or the hub gives it: which parts of it we use, and how it is loaded. Any of 4.x does.
//
// Not here: what is said over it (social-client.ts).

/** The protocol of socket.io-client 3 and 4. Older ones say that they speak another; those of 4 say nothing. */
const PROTOCOL = 5;

/** Where the hub has it, below its own address. */
const FILE = "socket.io/socket.io.min.js";

/** A socket of one namespace. */
export interface IoSocket {
  readonly connected: boolean;
  /** Whether it is connected or will be by itself; not so once the server has refused or disconnected it. */
  readonly active: boolean;
  on(event: string, handler: (...args: never[]) => void): unknown;
  off(event?: string, handler?: (...args: never[]) => void): unknown;
  emit(event: string, ...args: unknown[]): unknown;
  connect(): unknown;
  disconnect(): unknown;
}

/** One connection, which the sockets of all namespaces share. */
export interface IoManager {
  socket(namespace: string, options: { auth: (give: (auth: object) => void) => void }): IoSocket;
}

/** The global `io`. */
export interface Io {
  readonly protocol?: number;
  Manager: new (
    url: string,
    options: { path: string; autoConnect: false; transports?: readonly string[] },
  ) => IoManager;
}

/** The page's own client, if it has one that speaks this protocol. */
export function ownClient(): Io | null {
  const { io } = globalThis as { io?: Partial<Io> };
  return typeof io?.Manager === "function" && (io.protocol ?? PROTOCOL) === PROTOCOL ? (io as Io) : null;
}

/**
 * The page's own client, else the hub's; one of another protocol stays the page's. `hub` ends in a slash.
 *
 * Rejects where the hub has none, or does not answer.
 */
export function client(hub: string): Promise<Io> {
  const own = ownClient();
  if (own) return Promise.resolve(own);
  const page = globalThis as { io?: unknown };
  const before = Object.getOwnPropertyDescriptor(page, "io");
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${hub}${FILE}`;
    script.async = true;
    script.onload = () => {
      const loaded = ownClient();
      if (loaded && before) Object.defineProperty(page, "io", before);
      if (loaded) resolve(loaded);
      else reject(new Error(`${script.src} is no Socket.IO client that this page can use.`));
    };
    script.onerror = () => {
      script.remove();
      reject(new Error(`${script.src} could not be loaded.`));
    };
    (document.head ?? document.documentElement).append(script);
  });
}
