// Ports for servers that listen later, or again after they were killed. A port that the system gives may go to somebody else between the
// question and its use, and whenever its server is down: to another server, or to any connection that goes out. So ports are taken from
// below the range that the system gives from; there nobody comes by chance but another caller of this.

import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** The first port that is given. Well-known services are below it. */
const FIRST = 10_000;
/** With fewer ports than these below the system's range, the system is asked instead. */
const ENOUGH = 1_000;
/** Linux' own first port, where its setting can't be read. */
const USUAL = 32_768;

/** What this process was given before: a server that is down for a while still counts on its port. */
const given = new Set();

/** A port of loopback that nobody listens on, and that the system gives to nobody. */
export async function freePort() {
  const count = firstOfTheSystem() - FIRST;
  for (let tries = 0; count >= ENOUGH && tries < 100; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * count);
    if (given.has(port)) continue;
    given.add(port);
    if ((await listens(port)) === port) return port;
  }
  const port = await listens(0);
  if (port === null) throw new Error("no free port");
  return port;
}

/** Several of them. */
export async function freePorts(count) {
  const found = [];
  while (found.length < count) found.push(await freePort());
  return found;
}

function firstOfTheSystem() {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").trim().split(/\s+/)[0]);
  } catch {
    return USUAL;
  }
}

/** The port that a listener got, or null where it got none. */
function listens(port) {
  return new Promise((resolve) => {
    const listener = createServer();
    listener.once("error", () => resolve(null));
    listener.listen(port, "127.0.0.1", () => {
      const { port: got } = listener.address();
      listener.close(() => resolve(got));
    });
  });
}
