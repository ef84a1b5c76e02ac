// socket.io-client as the field has it, 4.5.4 and the newest, by polling alone, with the upgrade, and by WebSocket at once, against the
// real hub: each rule of `socketio.md` that such a client can see. Not here: chat (../browser-tests/social.browser.mjs), pages
// (social-page.browser.mjs), and the protocols packet by packet (crates/websocket-server/tests).

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { io as newest } from "socket.io-client";
import { freePort } from "../browser-tests/ports.mjs";
import { startHub } from "../browser-tests/server.mjs";
import {
  ask,
  CLIENTS,
  connected,
  NAMESPACES,
  refused,
  Sockets,
  settled,
  TRANSPORTS,
  told,
  until,
  uses,
} from "./socketio.mjs";
import { SECRET, tokenOf } from "./stage.mjs";

const MILLISECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** The types of each namespace, as in the contract's table; those of presence come by themselves. */
const TYPES = {
  "/sns": ["publish_started", "publish_success", "publish_failed", "post_liked", "post_commented"],
  "/orders": ["order_updated", "shipment_update", "delivery_confirmed"],
  "/chat": ["message_received", "user_typing", "message_read"],
  "/notifications": ["notification", "notification_read", "notification_deleted"],
};

/** Data that is easily spoilt. */
const HARD = [
  { deep: { list: [1, "2", null, true, 1.5e-7] } },
  "é\u2028日本 \u{1F600} \u0000",
  0,
  null,
  [],
  {},
];

const PRESENCE = new Set(["user_online", "user_offline"]);
const withoutPresence = (diary) => diary.filter(([type]) => !PRESENCE.has(type));

let users = 100;
/** A user whom no other test has. */
const newUser = () => {
  users += 1;
  return users;
};

const COMBINATIONS = CLIENTS.flatMap(([client, io]) =>
  TRANSPORTS.map(([way, transports, transport]) => ({
    name: `${client}, ${way}`,
    io,
    options: { transports },
    transport,
  })),
);

describe("socket.io clients of the field, unchanged", { timeout: 300_000, concurrency: true }, () => {
  let server;

  before(async () => {
    server = await startHub({ JWT_SECRET: SECRET });
  });
  after(async () => {
    await server?.stop();
  });

  for (const { name, io, options, transport } of COMBINATIONS) {
    describe(name, { concurrency: true }, () => {
      const sockets = new Sockets();
      after(() => sockets.close());

      it("connects to all four namespaces over one connection, and in the way that it was told", async () => {
        const four = await sockets.openFour(io, server.url, newUser(), options);
        await uses(four[0], transport);
        assert.equal(new Set(four.map((socket) => socket.io.engine.id)).size, 1);
        assert.equal(new Set(four.map(({ id }) => id)).size, 4);
      });

      it("is told Unauthorized and Invalid namespace, and its other namespaces stay", async () => {
        const user = newUser();
        const url = server.url;
        for (const [auth, namespace, words] of [
          [{}, "/chat", "Unauthorized"],
          [{ token: "no.good.token" }, "/chat", "Unauthorized"],
          [{ token: `${tokenOf(user)}x` }, "/sns", "Unauthorized"],
          [{ token: 7 }, "/orders", "Unauthorized"],
          [{ token: tokenOf(user) }, "/nowhere", "Invalid namespace"],
        ]) {
          const error = await refused(sockets.open(io, url, namespace, null, { ...options, auth }));
          assert.equal(error.message, words, namespace);
        }
        const good = await connected(sockets.open(io, url, "/orders", user, options));
        assert.equal((await refused(good.io.socket("/nowhere", {}))).message, "Invalid namespace");
        assert.equal((await refused(good.io.socket("/chat", {}))).message, "Unauthorized");
        await server.publish({ type: "order_updated", user_id: user, data: { order_id: 1 } });
        assert.deepEqual(await told(good, "order_updated"), [{ order_id: 1 }]);
      });

      it("gets each type in the namespaces that list it, once, with the data as it was, and nothing of another's", async () => {
        const user = newUser();
        const four = await sockets.openFour(io, server.url, user, options);
        const wanted = NAMESPACES.map(() => []);
        for (const type of [...Object.values(TYPES).flat(), "job_created"]) {
          const data = { of: type, n: HARD };
          await server.publish({ type, data, user_id: newUser() });
          await server.publish({ type, data, user_id: String(user) });
          NAMESPACES.forEach((namespace, at) => {
            if (TYPES[namespace].includes(type)) wanted[at].push([type, data]);
          });
        }
        for (const data of HARD) {
          await server.publish({ type: "post_liked", data, user_id: user });
          wanted[0].push(["post_liked", data]);
        }
        // One that names its namespace goes there alone, whatever its type is.
        await server.publish({ type: "post_liked", data: 1, user_id: user, namespace: "/orders" });
        wanted[1].push(["post_liked", 1]);
        const diaries = (await settled(server, four)).map(withoutPresence);
        for (const event of diaries[3].filter(([type]) => type === "notification")) {
          const { timestamp, ...data } = event[1];
          assert.match(timestamp, MILLISECONDS);
          event[1] = data;
        }
        assert.deepEqual(diaries, wanted);
      });

      it("a notification keeps the timestamp that it has, and large events come whole", async () => {
        const user = newUser();
        const socket = await connected(sockets.open(io, server.url, "/notifications", user, options));
        const large = "日".repeat(100_000);
        await server.publish({ type: "notification", user_id: user, data: { timestamp: "then", large } });
        const [data, ...more] = await told(socket, "notification");
        // Compared apart: nobody reads that in a report.
        assert.ok(data.large === large);
        assert.deepEqual([data.timestamp, Object.keys(data).length, more], ["then", 2, []]);
      });

      it("subscribes to channels and leaves them, with an answer to each, by the channels' rules", async () => {
        const user = newUser();
        const channel = `room:${user}`;
        const [sns, orders] = await sockets.openFour(io, server.url, user, options);
        assert.equal((await ask(orders, "subscribe", { channels: [channel] })).success, true);
        await server.publish({ type: "anything", channel, data: { n: 1 } });
        const [, [, ...first]] = await settled(server, [sns, orders]);
        assert.deepEqual(first, []);
        assert.deepEqual(await told(orders, "anything"), [{ n: 1 }]);
        assert.equal(
          sns.diary.some(([type]) => type === "anything"),
          false,
        );
        assert.equal((await ask(orders, "unsubscribe", { channels: [channel] })).success, true);
        await server.publish({ type: "anything", channel, data: { n: 2 } });
        await settled(server, [orders]);
        assert.equal(orders.diary.filter(([type]) => type === "anything").length, 1);
        const refusal = await ask(orders, "subscribe", { channels: [`user:${user + 50_000}`] });
        assert.deepEqual(
          [refusal.success, refusal.code, typeof refusal.message],
          [false, "forbidden", "string"],
        );
        for (const wrong of [{}, { channels: 7 }, { channels: ["no spaces"] }, null, "jobs", []]) {
          const answer = await ask(orders, "subscribe", wrong);
          assert.deepEqual(
            [answer.success, typeof answer.code, typeof answer.message],
            [false, "string", "string"],
          );
        }
        assert.equal(orders.connected, true);
      });

      it("publish_start is acknowledged, and its user's sockets get publish_started with the same members", async () => {
        const [user, other] = [newUser(), newUser()];
        const open = (id, namespace) => connected(sockets.open(io, server.url, namespace, id, options));
        const [sns, second, orders, stranger] = await Promise.all([
          open(user, "/sns"),
          open(user, "/sns"),
          open(user, "/orders"),
          open(other, "/sns"),
        ]);
        const data = { post_id: user, platforms: ["web", "é"] };
        assert.equal((await ask(sns, "publish_start", data)).success, true);
        for (const socket of [sns, second]) assert.deepEqual(await told(socket, "publish_started"), [data]);
        const [, , ...others] = await settled(server, [sns, second, orders, stranger]);
        for (const diary of others) assert.deepEqual(withoutPresence(diary), []);
      });

      it("what nobody handles is acknowledged as well, and many at once keep their order", async () => {
        const socket = await connected(sockets.open(io, server.url, "/orders", newUser(), options));
        const unknown = await ask(socket, "no_such_event", { a: 1 });
        assert.deepEqual(
          [unknown.success, typeof unknown.code, typeof unknown.message],
          [false, "string", "string"],
        );
        const order = [];
        await Promise.all(
          Array.from({ length: 50 }, (_, n) =>
            ask(socket, "subscribe", { channels: [`many:${n}`] }).then(({ success }) =>
              order.push([n, success]),
            ),
          ),
        );
        assert.deepEqual(
          order,
          Array.from({ length: 50 }, (_, n) => [n, true]),
        );
        // Without an acknowledgement asked for, nothing comes back.
        socket.emit("no_such_event");
        socket.emit("subscribe", { channels: ["quiet"] });
        assert.deepEqual((await settled(server, [socket]))[0], []);
      });

      it("a binary event is refused by its acknowledgement, and harms nothing", async () => {
        const user = newUser();
        const socket = await connected(sockets.open(io, server.url, "/sns", user, options));
        const bytes = Buffer.from([0, 1, 2, 255]);
        const answer = await ask(socket, "publish_start", { post_id: 1, picture: bytes, list: [bytes] });
        assert.deepEqual([answer.success, typeof answer.code], [false, "string"]);
        assert.equal((await ask(socket, "publish_start", { post_id: 2 })).success, true);
        assert.deepEqual(await told(socket, "publish_started"), [{ post_id: 2 }]);
      });

      it("tells others in /sns and /chat when a user's first socket came and the last one went, and not of a reload", async () => {
        const [user, watcher] = [newUser(), newUser()];
        const watching = await sockets.openFour(io, server.url, watcher, options);
        const seen = (socket) =>
          socket.diary.filter(([type, data]) => PRESENCE.has(type) && data.user_id === user);
        const open = () => connected(sockets.open(io, server.url, "/chat", user, options));
        const first = await open();
        const [, , chat] = watching;
        await until(() => seen(chat).length === 1, "user_online");
        const second = await open();
        first.disconnect();
        second.disconnect();
        const left = Date.now();
        const third = await open();
        // A machine that is so busy has made an absence of it.
        const isReload = Date.now() - left < 2_000;
        // Long enough that an absence would have been told: the watcher is told of another one's.
        const other = newUser();
        const leaving = await connected(sockets.open(io, server.url, "/chat", other, options));
        leaving.disconnect();
        const gone = (data) => data?.user_id === other;
        await until(
          () => chat.diary.some(([type, data]) => type === "user_offline" && gone(data)),
          "user_offline",
        );
        if (isReload) assert.equal(seen(chat).length, 1);
        const before = seen(chat).length;
        third.disconnect();
        await until(() => seen(chat).length > before, "user_offline");
        assert.deepEqual(
          [seen(chat)[0], seen(chat).at(-1)].map(([type, { timestamp, ...data }, ...more]) => [
            type,
            data,
            MILLISECONDS.test(timestamp),
            more,
          ]),
          [
            ["user_online", { user_id: user }, true, []],
            ["user_offline", { user_id: user }, true, []],
          ],
        );
        // Of one's own coming, and in the other namespaces, nobody tells.
        for (const socket of [watching[0], watching[1], watching[3]]) assert.deepEqual(seen(socket), []);
        assert.equal(
          chat.diary.some(([, data]) => data?.user_id === watcher),
          false,
        );
      });

      it("leaves one namespace and keeps the others, comes again as somebody new, and goes as a whole", async () => {
        const user = newUser();
        const [sns, orders] = await sockets.openFour(io, server.url, user, options);
        const { id } = sns;
        let why;
        sns.on("disconnect", (reason) => {
          why = reason;
        });
        sns.disconnect();
        assert.equal(why, "io client disconnect");
        await server.publish({ type: "post_liked", user_id: user, data: 1 });
        await server.publish({ type: "order_updated", user_id: user, data: 2 });
        assert.deepEqual(await told(orders, "order_updated"), [2]);
        sns.connect();
        await connected(sns);
        assert.notEqual(sns.id, id);
        await server.publish({ type: "post_liked", user_id: user, data: 3 });
        assert.deepEqual(await told(sns, "post_liked"), [3]);
        sns.io.engine.close();
        await until(() => !orders.connected, "the connection is gone");
        await Promise.all([connected(sns), connected(orders)]);
        await server.publish({ type: "order_updated", user_id: user, data: 4 });
        await until(() => orders.diary.some(([, data]) => data === 4), "the event after the return");
      });

      it("is given no pid and no argument more than the data when it does not ask for recovery", async () => {
        const user = newUser();
        const socket = await connected(sockets.open(io, server.url, "/orders", user, options));
        assert.equal(socket._pid, undefined);
        assert.ok(!socket.recovered);
        await server.publish({ type: "order_updated", user_id: user, data: "text" });
        assert.deepEqual(await told(socket, "order_updated"), ["text"]);
      });
    });
  }

  for (const [way, transports] of TRANSPORTS) {
    it(`recover: true gets what was missed, in order and once, and its subscriptions: ${way}`, async () => {
      const sockets = new Sockets();
      try {
        const user = newUser();
        const channel = `kept:${user}`;
        const options = { transports, auth: { recover: true } };
        const socket = await connected(sockets.open(newest, server.url, "/orders", user, options));
        const plain = await connected(sockets.open(newest, server.url, "/orders", user, { transports }));
        assert.equal((await ask(socket, "subscribe", { channels: [channel] })).success, true);
        const { id } = socket;
        let n = 0;
        const publish = async (count) => {
          for (let left = count; left > 0; left -= 1) {
            n += 1;
            const target = [
              { user_id: user },
              { channel },
              { user_id: user, channel },
              { namespace: "/orders", user_id: user },
            ][n % 4];
            await server.publish({ type: "order_updated", data: { n }, ...target });
          }
        };
        const numbers = () =>
          socket.diary.filter(([type]) => type === "order_updated").map(([, data]) => data.n);
        for (let round = 1; round <= 3; round += 1) {
          await publish(4);
          await until(
            () => numbers().length === n,
            () => `event ${n} of ${JSON.stringify(numbers())}`,
          );
          // Gone without a word; what is published until it is back is missed.
          socket.io.engine.close();
          // With an upgrade or a packet under way it goes once that is over.
          await until(() => !socket.connected, "the connection is gone");
          await publish(5);
          await connected(socket);
          assert.equal(socket.recovered, true);
          assert.equal(socket.id, id);
          await publish(2);
          await until(
            () => numbers().length >= n,
            () => `event ${n} of ${JSON.stringify(numbers())}`,
          );
          assert.deepEqual(
            numbers(),
            Array.from({ length: n }, (_, at) => at + 1),
          );
        }
        assert.ok(!plain.recovered);
      } finally {
        sockets.close();
      }
    });
  }

  it("what only newer clients do works as well: no slash at the end, timeouts, retries, a token by a function", async () => {
    const sockets = new Sockets();
    try {
      const options = {
        addTrailingSlash: false,
        retries: 2,
        ackTimeout: 20_000,
        auth: (give) => setTimeout(() => give({ token: tokenOf(newUser()) }), 1),
      };
      const socket = newest(new URL("orders", server.url).href, { ...options, forceNew: true });
      sockets.keep(socket);
      await connected(socket);
      const answers = await Promise.all(
        ["a", "b", "c"].map((name) => socket.timeout(20_000).emitWithAck("subscribe", { channels: [name] })),
      );
      assert.deepEqual(
        answers.map(({ success }) => success),
        [true, true, true],
      );
    } finally {
      sockets.close();
    }
  });

  it("a hub that is killed and started again has all of its clients back, by themselves", async () => {
    const own = await startHub({ JWT_SECRET: SECRET, PORT: String(await freePort()) });
    const sockets = new Sockets();
    try {
      const clients = await Promise.all(
        COMBINATIONS.map(async ({ io, options, transport }) => {
          const user = newUser();
          const four = await sockets.openFour(io, own.url, user, options);
          await uses(four[0], transport);
          return { user, four };
        }),
      );
      await own.kill();
      await until(
        () => clients.every(({ four }) => four.every(({ connected }) => !connected)),
        "all are gone",
      );
      await own.start();
      for (const { user, four } of clients) {
        await Promise.all(four.map(connected));
        await own.publish({ type: "delivery_confirmed", user_id: user, data: { order_id: user } });
        assert.deepEqual(await told(four[1], "delivery_confirmed"), [{ order_id: user }]);
      }
    } finally {
      sockets.close();
      await own.stop();
    }
  });

  it("the client that the hub serves is the pinned one, with its maps and licences, and is known again by its tag", async () => {
    const file = (name, init) => fetch(new URL(`socket.io/${name}`, server.url), init);
    for (const name of ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"]) {
      const answer = await file(name);
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get("content-type"), /^text\/javascript/);
      assert.equal(answer.headers.get("cache-control"), "no-cache");
      assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
      const text = await answer.text();
      assert.match(text, /Socket\.IO v4\.8\.\d+/);
      const etag = answer.headers.get("etag");
      assert.equal((await file(name, { headers: { "if-none-match": etag } })).status, 304);
      const head = await file(name, { method: "HEAD" });
      assert.deepEqual([head.status, await head.text()], [200, ""]);
      assert.equal((await file(name, { method: "POST" })).status, 405);
      const map = await file(`${name}.map`);
      assert.deepEqual([map.status, map.headers.get("content-type")], [200, "application/json"]);
    }
    assert.match(await (await file("licences.md")).text(), /Permission is hereby granted/);
    for (const none of ["socket.io.msgpack.min.js", "nothing.js", "%2e%2e/websocket.js"]) {
      assert.notEqual((await file(none)).status, 200, none);
    }
    assert.equal((await fetch(new URL("js/socket.io/socket.io.js", server.url))).status, 404);
    assert.equal((await fetch(new URL("js/websocket.js", server.url))).status, 200);
  });
});
