// What the tests of nginx share: nodes of the hub with tags, a Redis between them, and WebSockets that trust the tests' certificate. Not here: nginx itself (rig.mjs).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { get } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import { freePort } from "../browser-tests/ports.mjs";
import { startHub } from "../browser-tests/server.mjs";
import { SECRET } from "../field-clients/stage.mjs";
import { PATIENCE_MS, until } from "./rig.mjs";

/** A key that may publish, and is an administrator's. */
export const KEY = "operators-long-key";

/** A hub that is a node: `place` with its ports, as startNginx takes them; they stay over a restart. */
export async function startNode(tag, environment = {}) {
  const place = { main: await freePort(), dashboard: await freePort(), receipts: await freePort() };
  const node = await startHub({
    PORT: String(place.main),
    JWT_SECRET: SECRET,
    NODE_TAG: tag,
    DASHBOARD_PORT: String(place.dashboard),
    RECEIPTS_PORT: String(place.receipts),
    FANFARE_API_KEYS: `operators:${KEY}:+admin`,
    ...environment,
  });
  node.place = place;
  /** Publishes at this node. */
  node.tell = async (publication) => {
    const answer = await fetch(`${node.url}broadcast`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
      body: JSON.stringify(publication),
    });
    assert.equal(answer.status, 200, await answer.clone().text());
    return answer.json();
  };
  node.total = async () => {
    const answer = await fetch(`${node.url}stats`);
    return (await answer.json()).total;
  };
  return node;
}

/** Publishes at each of the nodes: nothing is between them here. */
export const tellAll = (nodes, publication) => Promise.all(nodes.map((node) => node.tell(publication)));

/** A WebSocket through nginx: its frames as JSON, its pings counted, its end. */
export class Line {
  frames = [];
  pings = 0;
  ended = null;
  #socket;

  constructor(nginx, path, { headers = {}, port, protocols = [] } = {}) {
    const url = port === undefined ? `${nginx.sockets}${path}` : `ws://127.0.0.1:${port}${path}`;
    this.#socket = new WebSocket(url, protocols, { ca: nginx.ca, headers });
    this.opened = new Promise((resolve, reject) => {
      this.#socket.on("open", resolve);
      this.#socket.on("unexpected-response", (_request, answer) => {
        answer.resume();
        reject(Object.assign(new Error(`refused with ${answer.statusCode}`), { status: answer.statusCode }));
      });
      this.#socket.on("error", reject);
    });
    this.opened.catch(() => undefined);
    this.#socket.on("message", (data) => this.frames.push(JSON.parse(data)));
    this.#socket.on("ping", () => {
      this.pings += 1;
    });
    this.#socket.on("close", (code, reason) => {
      this.ended = { code, reason: reason.toString() };
    });
  }

  send(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  /** The first frame of that type, once it is there. */
  told(type) {
    const find = () => this.frames.find((frame) => frame.type === type);
    return until(find, () => `${type} among ${JSON.stringify(this.frames)}, ${JSON.stringify(this.ended)}`);
  }

  close() {
    this.#socket.terminate();
  }
}

/** Opens a WebSocket, and waits until it is open. */
export async function openLine(...args) {
  const line = new Line(...args);
  await line.opened;
  return line;
}

/** A stream of server-sent events through nginx: its text so far, in the pieces in which it came. */
export function openStream(nginx, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const asking = get(
      new URL(path, nginx.url),
      { ca: nginx.ca, headers, timeout: PATIENCE_MS },
      (answer) => {
        const stream = { status: answer.statusCode, headers: answer.headers, text: "", ended: false };
        stream.close = () => asking.destroy();
        answer.setEncoding("utf8").on("data", (piece) => {
          stream.text += piece;
        });
        answer.on("close", () => {
          stream.ended = true;
        });
        resolve(stream);
      },
    );
    asking.on("error", reject);
  });
}

/** A Redis that keeps what it has taken, for nodes that shall be one hub: its address for REDIS_URL. */
export async function startRedis() {
  const directory = mkdtempSync(join(tmpdir(), "fanfare-redis-"));
  const port = await freePort();
  const args = ["--bind", "127.0.0.1", "--port", String(port), "--dir", directory, "--save", ""];
  const child = spawn("redis-server", [...args, "--appendonly", "yes", "--appendfsync", "always"], {
    stdio: "ignore",
  });
  const ended = new Promise((resolve, reject) => {
    child.on("exit", resolve);
    child.on("error", reject);
  });
  ended.catch(() => undefined);
  const answers = () =>
    new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      });
      socket.on("error", () => resolve(false));
    });
  await Promise.race([
    until(answers, "Redis answers"),
    ended.then((code) => Promise.reject(new Error(`redis-server: ${code}`))),
  ]);
  return {
    url: `redis://127.0.0.1:${port}/0`,
    async stop() {
      child.kill("SIGKILL");
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
