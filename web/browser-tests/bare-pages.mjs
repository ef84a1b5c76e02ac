// Pages of a test's own in front of a real hub, on one origin: what a web application with the hub behind the same address looks
// like. Answers with what it was given, hands on all else, WebSockets too. Not here: what the pages say.

import { createServer, request } from "node:http";
import { connect } from "node:net";

/** Opens one before a server; `url` is where the browser goes. */
export async function openPages(server) {
  const pages = new BarePages(server);
  await pages.open();
  return pages;
}

class BarePages {
  /** With a slash at the end. */
  url = "";
  #hub;
  #given = new Map();
  #listener;
  #sockets = new Set();

  constructor(hub) {
    this.#hub = hub;
  }

  /** From now on the path has this text. */
  give(path, type, policy, text) {
    this.#given.set(path, { headers: { "content-type": type, "content-security-policy": policy }, text });
  }

  async open() {
    this.#listener = createServer((asked, answer) => this.#answer(asked, answer));
    this.#listener.on("upgrade", (asked, near, head) => this.#upgrade(asked, near, head));
    await new Promise((resolve) => this.#listener.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.#listener.address().port}/`;
  }

  /** Breaks off all WebSockets, without a word. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close() {
    this.cut();
    this.#listener.closeAllConnections();
    await new Promise((resolve) => this.#listener.close(resolve));
  }

  #answer(asked, answer) {
    const given = this.#given.get(asked.url);
    if (given) return answer.writeHead(200, given.headers).end(given.text);
    const onward = request(
      new URL(asked.url, this.#hub.url),
      { method: asked.method, headers: asked.headers },
      (far) => {
        answer.writeHead(far.statusCode, far.headers);
        far.pipe(answer);
      },
    );
    onward.on("error", () => answer.writeHead(502).end());
    asked.pipe(onward);
  }

  #upgrade(asked, near, head) {
    const far = connect(Number(new URL(this.#hub.url).port), "127.0.0.1");
    const end = () => {
      for (const side of [near, far]) {
        side.destroy();
        this.#sockets.delete(side);
      }
    };
    for (const side of [near, far]) {
      this.#sockets.add(side);
      side.on("error", end).on("close", end);
    }
    const lines = [`${asked.method} ${asked.url} HTTP/1.1`];
    for (let at = 0; at < asked.rawHeaders.length; at += 2) {
      lines.push(`${asked.rawHeaders[at]}: ${asked.rawHeaders[at + 1]}`);
    }
    far.write(`${lines.join("\r\n")}\r\n\r\n`);
    far.write(head);
    near.pipe(far);
    far.pipe(near);
  }
}
