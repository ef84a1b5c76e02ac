// The default transport: a socket that comes back by itself, and recovers what was missed meanwhile.

import { socketConnection } from "./connection.js";
import { recovering } from "./recovery.js";
import type { TransportFactory } from "./types.js";

/** Makes a connection with a socket of its own. Nothing happens before `start()`. */
export const socketTransport: TransportFactory = (options, listener) =>
  recovering(socketConnection)(options, listener);
