// A passage between the browser and a server, which a test can cut or close for one kind of traffic: what a bad network or
// a half-broken proxy does. Not here: what answers of the server are changed into (the tests' own routes).

import { connect, createServer } from "node:net";

/** Opens a passage to a server on a port of its own. */
export async function openPassage(server) {
  const passage = new Passage(Number(new URL(server.url).port));
  await passage.open();
  return passage;
}

/** Hands bytes on, both ways, as long as it may. */
class Passage {
  /** Where the browser goes in place of the server. */
  url = "";
  /** Whether WebSockets come through. One that is open stays until it is cut. */
  sockets = true;
  /** WebSockets that were asked for, let through or not. */
  asked = 0;
  #port;
  #listener;
  #pairs = new Set();

  constructor(port) {
    this.#port = port;
  }

  async open() {
    this.#listener = createServer((near) => this.#accept(near));
    await new Promise((resolve) => this.#listener.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.#listener.address().port}/`;
  }

  /** Breaks off all connections, without a word. */
  cut() {
    for (const pair of this.#pairs) for (const side of pair) side.destroy();
  }

  close() {
    this.cut();
    this.#listener.close();
  }

  #accept(near) {
    near.on("error", () => near.destroy());
    // The first bytes tell what it is: browsers make a connection of its own for each WebSocket.
    near.once("data", (head) => {
      const socket = head.toString("latin1").startsWith("GET /ws");
      if (socket) this.asked += 1;
      if (socket && !this.sockets) return near.destroy();
      const far = connect(this.#port, "127.0.0.1");
      const pair = [near, far];
      this.#pairs.add(pair);
      const end = () => {
        this.#pairs.delete(pair);
        for (const side of pair) side.destroy();
      };
      for (const side of pair) side.on("error", end).on("close", end);
      far.write(head);
      near.pipe(far);
      far.pipe(near);
    });
  }
}
