// socket.io-client as the field has it, 4.5.4 and the newest, through nginx before two nodes that know nothing of each other: each
// session stays with its node, by polling, by upgrade and by WebSocket, without a cookie, and a node's death costs a reconnection.
// Not here: what Socket.IO's clients see of the hub (../field-clients/socketio.test.mjs).

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { CLIENTS, connected, Sockets, TRANSPORTS, told, until, uses } from "../field-clients/socketio.mjs";
import { tokenOf } from "../field-clients/stage.mjs";
import { ask, makeCertificate, startNginx } from "./rig.mjs";
import { startNode, tellAll } from "./stage.mjs";

let users = 900;
const newUser = () => {
  users += 1;
  return users;
};

describe("Socket.IO behind nginx", { timeout: 300_000 }, () => {
  const certificate = makeCertificate();
  const sockets = new Sockets();
  let nodes = [];
  let nginx;

  before(async () => {
    nodes = [await startNode("1"), await startNode("2")];
    nginx = await startNginx({ nodes: nodes.map(({ place }) => place), certificate });
  });
  after(async () => {
    sockets.close();
    await nginx?.stop();
    for (const node of nodes) await node.stop();
  });

  for (const [client, io] of CLIENTS) {
    for (const [way, transports, transport] of TRANSPORTS) {
      it(`${client}, ${way}: eight at once, each with its node, and each gets its event once`, async () => {
        const people = Array.from({ length: 8 }, newUser);
        const open = (user) =>
          connected(
            sockets.open(io, nginx.url, "/orders", user, { transports, ca: nginx.ca, timeout: 30_000 }),
          );
        const eight = await Promise.all(people.map(open));
        await Promise.all(eight.map((socket) => uses(socket, transport)));
        const ids = eight.map((socket) => socket.io.engine.id);
        assert.ok(
          ids.every((id) => /^[12]\.[\w-]{20}$/.test(id)),
          `${ids}`,
        );
        assert.equal(new Set(ids.map((id) => id[0])).size, 2, "both nodes have some");
        for (const [at, socket] of eight.entries()) {
          await tellAll(nodes, { type: "order_updated", user_id: people[at], data: { order_id: at } });
          assert.deepEqual(await told(socket, "order_updated"), [{ order_id: at }]);
          // The other direction: an answer comes back by the same session.
          const answer = await socket.timeout(30_000).emitWithAck?.("subscribe", { channels: ["orders"] });
          if (answer) assert.equal(answer.success, true);
        }
        await tellAll(nodes, { type: "order_updated", namespace: "/orders", data: "last" });
        for (const socket of eight) {
          await until(() => socket.diary.some(([, data]) => data === "last"), "the last");
          assert.equal(socket.diary.length, 2);
          assert.equal(socket.recovered ?? false, false);
          socket.disconnect();
        }
      });
    }
  }

  it("a session is found from another address, without cookies, and by another node not at all", async () => {
    const open = await nginx.ask("/socket.io/?EIO=4&transport=polling");
    const { sid } = JSON.parse(open.text.slice(1));
    assert.equal(open.headers["set-cookie"], undefined);
    for (const [address, namespace] of [
      ["203.0.113.1", "/orders"],
      ["198.51.100.2", "/chat"],
      ["2001:db8::1", "/sns"],
    ]) {
      const sent = await nginx.ask(`/socket.io/?EIO=4&transport=polling&sid=${sid}`, {
        method: "POST",
        headers: { "x-forwarded-for": address, "content-type": "text/plain" },
        body: `40${namespace},${JSON.stringify({ token: tokenOf(newUser()) })}`,
      });
      assert.deepEqual([sent.status, sent.text], [200, "ok"], address);
    }
    const other = nodes[sid.startsWith("1") ? 1 : 0];
    const wrong = await ask(`${other.url}socket.io/?EIO=4&transport=polling&sid=${sid}`);
    assert.deepEqual([wrong.status, wrong.json], [400, { code: 1, message: "Session ID unknown" }]);
  });

  it("with a node killed its sessions are told so, and their clients are on the other within seconds", async () => {
    const pair = [await startNode("1"), await startNode("2")];
    const own = await startNginx({ nodes: pair.map(({ place }) => place), certificate });
    const clients = new Sockets();
    try {
      for (const [, io] of CLIENTS) {
        const people = Array.from({ length: 6 }, newUser);
        const six = await Promise.all(
          people.map((user, at) => {
            const transports = at % 2 ? ["polling"] : ["polling", "websocket"];
            return connected(
              clients.open(io, own.url, "/orders", user, { transports, ca: own.ca, timeout: 30_000 }),
            );
          }),
        );
        const ofFirst = six.filter((socket) => socket.io.engine.id.startsWith("1."));
        assert.ok(ofFirst.length > 0 && ofFirst.length < 6, `${ofFirst.length}`);
        const before = new Map(six.map((socket) => [socket, socket.io.engine.id]));
        await pair[0].kill();
        for (const socket of ofFirst) {
          await until(
            () => socket.connected && socket.io.engine.id !== before.get(socket),
            "a session with the other node",
          );
          assert.match(socket.io.engine.id, /^2\./);
        }
        // Those of the other node have noticed nothing.
        for (const socket of six.filter((it) => !ofFirst.includes(it))) {
          assert.deepEqual([socket.connected, socket.io.engine.id], [true, before.get(socket)]);
        }
        await pair[1].tell({ type: "order_updated", namespace: "/orders", data: "still here" });
        for (const socket of six) assert.deepEqual(await told(socket, "order_updated"), ["still here"]);
        clients.close();
        await pair[0].start();
      }
    } finally {
      clients.close();
      await own.stop();
      for (const node of pair) await node.stop();
    }
  });
});
