// The npm baseline does what the hub is measured for beside it: a figure of a server that lets everyone in would be worth nothing.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client";

const SECRET = "bench-secret-of-at-least-32-bytes";

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function token({ secret = SECRET, alg = "HS256", user_id = "u1", exp = Date.now() / 1_000 + 600 } = {}) {
  const signed = `${encode({ alg, typ: "JWT" })}.${encode({ user_id, exp: Math.floor(exp) })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

describe("the socket.io server of the benchmark", () => {
  let child;
  let url;
  const sockets = [];

  before(async () => {
    const program = fileURLToPath(new URL("socketio.mjs", import.meta.url));
    child = spawn(process.execPath, [program], {
      env: { ...process.env, PORT: "0", HOST: "127.0.0.1", JWT_SECRET: SECRET },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface(child.stdout), "line");
    url = line.replace("ready: ", "");
  });

  after(() => {
    for (const socket of sockets) socket.disconnect();
    child.kill();
  });

  /** A socket in a namespace, or why there is none. */
  async function connect(namespace, auth, transports = ["websocket"]) {
    const socket = io(`${url}${namespace}`, { auth, transports, forceNew: true, reconnection: false });
    sockets.push(socket);
    return new Promise((resolve) => {
      socket.on("connect", () => resolve(socket));
      socket.on("connect_error", (error) => resolve(error.message));
    });
  }

  async function publish(publication) {
    const body = JSON.stringify(publication);
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}broadcast`, { method: "POST", headers, body });
    return { status: answer.status, ...(await answer.json()) };
  }

  it("lets in who has a token of its secret that is not over, and nobody else", async () => {
    assert.equal((await connect("notifications", { token: token() })).connected, true);
    for (const auth of [
      undefined,
      { token: "x" },
      { token: "e30.e30.e30" },
      { token: token({ secret: "another secret" }) },
      { token: token({ alg: "none" }) },
      { token: token({ exp: Date.now() / 1_000 - 1 }) },
    ]) {
      assert.equal(await connect("notifications", auth), "Unauthorized", JSON.stringify(auth));
    }
    assert.equal(await connect("nowhere", { token: token() }), "Invalid namespace");
  });

  it("sends a publication to its namespace alone, over both transports, and to one user where it names one", async () => {
    const [one, other, elsewhere] = [
      await connect("orders", { token: token({ user_id: "one" }) }),
      await connect("orders", { token: token({ user_id: "other" }) }, ["polling"]),
      await connect("chat", { token: token({ user_id: "one" }) }),
    ];
    const got = [];
    one.on("bench", (data) => got.push(["one", data]));
    other.on("bench", (data) => got.push(["other", data]));
    elsewhere.on("bench", (data) => got.push(["elsewhere", data]));
    const told = [once(one, "end"), once(other, "end"), once(elsewhere, "end")];
    const first = await publish({ type: "bench", namespace: "/orders", data: { n: 1 } });
    assert.deepEqual([first.status, first.success, first.recipients], [200, true, 2]);
    const second = await publish({ type: "bench", namespace: "/orders", user_id: "other", data: { n: 2 } });
    assert.equal(second.recipients, 1);
    for (const namespace of ["/orders", "/chat"]) await publish({ type: "end", namespace });
    await Promise.all(told);
    assert.deepEqual(
      got.filter(([who]) => who === "one"),
      [["one", { n: 1 }]],
    );
    assert.deepEqual(
      got.filter(([who]) => who === "other"),
      [
        ["other", { n: 1 }],
        ["other", { n: 2 }],
      ],
    );
    assert.equal(got.length, 3);
  });

  it("refuses a publication without a namespace that it has", async () => {
    assert.equal((await publish({ type: "bench", data: {} })).status, 400);
    assert.equal((await publish({ type: "bench", namespace: "/nowhere" })).status, 400);
  });
});
