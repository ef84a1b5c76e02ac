// Every world of clients through nginx with TLS, before two nodes: scripts as other systems have them, quiet sockets, streams, whom the
// nodes think they speak to, and what happens when a node ends. Not here: Socket.IO (socketio.test.mjs), paths and refusals
// (paths.test.mjs), pages (pages.browser.mjs).

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync } from "node:fs";
import { after, afterEach, before, describe, it } from "node:test";
import { Script, tokenOf } from "../field-clients/stage.mjs";
import { makeCertificate, startNginx, startStandIn, until } from "./rig.mjs";
import { Line, openLine, openStream, startNode, startRedis, tellAll } from "./stage.mjs";

/** What a server puts behind the client's key (RFC 6455, section 1.3). */
const RFC_6455 = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

let users = 500;
/** A user whom no other test has. */
const newUser = () => {
  users += 1;
  return users;
};

describe("the worlds behind nginx", { timeout: 300_000 }, () => {
  const certificate = makeCertificate();
  let nodes = [];
  let nginx;
  const started = [];

  before(async () => {
    nodes = [await startNode("1"), await startNode("2")];
    nginx = await startNginx({ nodes: nodes.map(({ place }) => place), certificate });
  });
  afterEach(async () => {
    for (const thing of started.splice(0)) await (thing.stop ?? thing.close).call(thing);
  });
  after(async () => {
    await nginx?.stop();
    for (const node of nodes) await node.stop();
  });

  const keep = (thing) => {
    started.push(thing);
    return thing;
  };
  /** A script of the field that trusts the tests' certificate. */
  const run = (name, args, environment = {}) =>
    keep(
      new Script(name, args, {
        NODE_EXTRA_CA_CERTS: certificate.chain,
        SSL_CERT_FILE: certificate.chain,
        ...environment,
      }),
    );

  it("channels: the client of the field is welcomed, subscribes and gets events, over wss", async () => {
    const user = newUser();
    const script = run("channels-ws.cjs", [`${nginx.sockets}/ws`, tokenOf(user)]);
    await script.printed("connected");
    await tellAll(nodes, { type: "job_created", data: { job_id: 9 }, user_id: user });
    const [event] = await script.frames("job_created");
    assert.deepEqual(event.data, { job_id: 9 });
  });

  it("dashboard: the client of the field gets its user's events, on `/` over wss and on its own port", async () => {
    for (const url of [`${nginx.sockets}/`, `ws://localhost:${nginx.ports.dashboard}`]) {
      const user = `anna-${newUser()}`;
      const script = run("dashboard-ws.cjs", [`${url}?token=${tokenOf(user)}`, user]);
      await script.printed("subscribed");
      await tellAll(nodes, { type: "image_processed", data: { documentId: "d-1" }, user_id: user });
      const [event] = await script.frames("image_processed");
      assert.equal(event.documentId, "d-1");
    }
  });

  it("dashboard: a plain GET on `/` is the web app, and an upgrade is the dashboard with its query", async () => {
    const page = await nginx.ask("/");
    assert.match(page.text, /<div id="root">/);
    const refused = keep(new Line(nginx, "/?token=no.good.token"));
    await until(() => refused.ended, "the end of a line with a bad token");
    assert.deepEqual(refused.ended, { code: 4001, reason: "Unauthorized" });
  });

  it("tasks: the client of the field, in Python, sees an upload over wss; an anonymous handshake stays 403", async () => {
    const user = newUser();
    const script = run("tasks.py", [`${nginx.sockets}/ws/notifications/`, "--token", tokenOf(user)]);
    await script.printed("connection_established");
    await script.printed("pong");
    await tellAll(nodes, {
      type: "oracle_upload_started",
      data: { transaction_id: 602, message: "m" },
      user_id: user,
    });
    const [event] = await script.frames("oracle_upload_started");
    assert.equal(event.transaction_id, 602);
    const anonymous = keep(new Line(nginx, "/ws/notifications/"));
    await assert.rejects(anonymous.opened, { status: 403 });
  });

  it("receipts: the client of the field, in Python, over wss below /ws/ and on its own port", async () => {
    for (const url of [`${nginx.sockets}/ws/receipts`, `ws://localhost:${nginx.ports.receipts}`]) {
      const script = run("receipts.py", [url]);
      const receipt_id = `r-${newUser()}`;
      const publication = {
        type: "receipt_update",
        channel: "receipts",
        data: { receipt_id, status: "processed" },
      };
      // It prints nothing before the first receipt, so nothing tells when it is there.
      await until(async () => {
        await tellAll(nodes, publication);
        return script.lines.some((line) => line.includes(receipt_id));
      }, `${receipt_id} at ${url}`);
    }
  });

  it("events: each comes at once, nothing is held back, and a ticket is good though any node may have made it", async () => {
    const user = newUser();
    for (let turn = 0; turn < 6; turn += 1) {
      const made = await nginx.ask("/events/ticket", {
        method: "POST",
        headers: { authorization: `Bearer ${tokenOf(user)}` },
      });
      assert.equal(made.status, 200, made.text);
      const stream = keep(await openStream(nginx, `/events?channels=jobs&ticket=${made.json.ticket}`));
      assert.equal(stream.status, 200);
      assert.match(stream.headers["content-type"], /^text\/event-stream/);
      assert.equal(stream.headers["content-encoding"], undefined);
      await until(() => stream.text.includes("connected"), "the welcome");
      for (let event = 0; event < 3; event += 1) {
        const mark = `mark-${turn}-${event}`;
        await tellAll(nodes, { type: "job_created", data: { mark }, user_id: user });
        await until(() => stream.text.includes(mark), mark);
        assert.equal(stream.text.split(`"${mark}"`).length, 2, "once");
      }
      stream.close();
    }
  });

  it("sockets are shared out: whoever has the fewest gets the next", async () => {
    const lines = [];
    for (let count = 0; count < 10; count += 1) lines.push(keep(await openLine(nginx, "/ws")));
    for (const line of lines) await line.told("connected");
    const totals = await Promise.all(nodes.map((node) => node.total()));
    assert.ok(Math.min(...totals) >= 4, `${totals}`);
  });

  it("compression of messages is negotiated between client and node", async () => {
    const line = keep(await openLine(nginx, "/ws"));
    await line.told("connected");
    const text = "x".repeat(100_000);
    await tellAll(nodes, { type: "large", data: { text } });
    assert.equal((await line.told("large")).data.text, text);
  });

  it("who loses a node to SIGKILL is on another at once, a node that comes back is used, and one that drains refuses nobody", async () => {
    const pair = [await startNode("1"), await startNode("2")];
    const own = await startNginx({ nodes: pair.map(({ place }) => place), certificate });
    const open = async () => {
      const line = keep(await openLine(own, "/ws"));
      await line.told("connected");
      return line;
    };
    try {
      const lines = [];
      for (let count = 0; count < 6; count += 1) lines.push(await open());
      const [lost, kept] = await Promise.all(pair.map((node) => node.total()));
      assert.ok(lost > 0 && kept > 0, `${lost}, ${kept}`);
      await pair[0].kill();
      await until(
        () => lines.filter(({ ended }) => ended).length === lost,
        "the ends of the lines to the dead",
      );
      for (let count = 0; count < 8; count += 1) await open();
      assert.equal(await pair[1].total(), kept + 8);

      await pair[0].start();
      await until(async () => {
        await open();
        return (await pair[0].total()) > 0;
      }, "a line to the node that is back");

      const survivors = await pair[0].total();
      const drained = pair[1].drain();
      let isOver = false;
      drained.then(() => {
        isOver = true;
      });
      let opened = 0;
      while (!isOver) {
        await open();
        opened += 1;
      }
      assert.equal(await drained, 0);
      await open();
      const there = await pair[0].total();
      assert.ok(opened > 0 && there > survivors, `${opened} were opened meanwhile, ${there} are there`);
    } finally {
      await own.stop();
      for (const node of pair) await node.stop();
    }
  });

  it("with Redis between the nodes a client that lost its node goes on at the other, and misses nothing", async () => {
    const redis = await startRedis();
    const pair = [];
    let own;
    try {
      for (const tag of ["1", "2"])
        pair.push(await startNode(tag, { REDIS_URL: redis.url, NODE_NAME: `node-${tag}` }));
      own = await startNginx({ nodes: pair.map(({ place }) => place), certificate });
      const lines = [];
      for (let count = 0; count < 4; count += 1) {
        const line = keep(await openLine(own, "/ws"));
        line.send({ type: "subscribe", channels: ["jobs"], recoverable: true });
        line.answer = await line.told("subscribed");
        lines.push(line);
      }
      await pair[1].tell({ type: "job_created", channel: "jobs", data: { job_id: 1 } });
      for (const line of lines) await line.told("job_created");
      const ofFirst = await pair[0].total();
      assert.ok(ofFirst > 0, "a line to the one that is killed");
      await pair[0].kill();
      await until(
        () => lines.filter(({ ended }) => ended).length === ofFirst,
        "the ends of the lines to the dead",
      );
      await pair[1].tell({ type: "job_accepted", channel: "jobs", data: { job_id: 1 } });
      const lost = lines.filter(({ ended }) => ended);
      assert.ok(lost.length < lines.length, "the others stay");
      for (const line of lost) {
        const { epoch, offset } = line.frames.find(({ type }) => type === "job_created");
        const again = keep(await openLine(own, "/ws"));
        const { resume, positions } = line.answer.data;
        again.send({ type: "resume", token: resume, positions: { ...positions, jobs: { epoch, offset } } });
        const resumed = await again.told("resumed");
        assert.equal(resumed.data.positions.jobs.recovered, true);
        assert.equal((await again.told("job_accepted")).offset, offset + 1);
        assert.equal(again.frames.filter(({ type }) => type === "job_created").length, 0);
      }
      // Who stayed heard of it at once.
      for (const line of lines.filter(({ ended }) => !ended)) await line.told("job_accepted");
    } finally {
      await own?.stop();
      for (const node of pair) await node.stop();
      await redis.stop();
    }
  });

  it("a reload takes a renewed certificate and drops nobody", async () => {
    const renewed = makeCertificate();
    const files = makeCertificate();
    const own = await startNginx({ nodes: nodes.map(({ place }) => place), certificate: files });
    try {
      const line = keep(await openLine(own, "/ws"));
      const stream = keep(await openStream(own, "/events?channels=jobs"));
      copyFileSync(renewed.key, files.key);
      copyFileSync(renewed.chain, files.chain);
      own.reload();
      own.ca = renewed.ca;
      const newcomer = await until(
        () => openLine(own, "/ws").catch(() => null),
        "a line under the renewed certificate",
      );
      keep(newcomer);
      // Before that an event may come too early for it.
      for (const one of [line, newcomer]) await one.told("connected");
      await until(() => stream.text.includes("connected"), "the stream's welcome");
      await tellAll(nodes, { type: "after_the_reload", data: {} });
      for (const one of [line, newcomer]) await one.told("after_the_reload");
      await until(() => stream.text.includes("after_the_reload"), "the event");
      assert.deepEqual([line.ended, stream.ended], [null, false]);
    } finally {
      await own.stop();
    }
  });

  it("a socket that says nothing lives as long as its node pings it, and not much longer when it does not", async () => {
    const pinging = await startNode("1", { PING_INTERVAL: "300ms", PING_TIMEOUT: "20s" });
    // It accepts, and is never heard of again: a machine that lost its power.
    const silent = await startStandIn();
    silent.upgrade = (request, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
      const accept = createHash("sha1")
        .update(`${request.headers["sec-websocket-key"]}${RFC_6455}`)
        .digest("base64");
      socket.write(`Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
    };
    // As it is, with 2 s in place of 90 s: no test waits for minutes.
    const short = (text) => text.replace("proxy_read_timeout 90s", "proxy_read_timeout 2s");
    const change = { "server/long-lived.conf": short };
    const quick = await startNginx({ nodes: [pinging.place, pinging.place], certificate, change });
    const doomed = await startNginx({
      nodes: [{ main: silent.port }, { main: silent.port }],
      certificate,
      change,
    });
    try {
      const line = keep(await openLine(quick, "/ws"));
      const stream = keep(await openStream(quick, "/events?channels=jobs"));
      const session = await quick.ask("/socket.io/?EIO=4&transport=polling");
      assert.equal(session.status, 200);
      // Three times what nginx would bear.
      await until(
        () => line.pings >= 20,
        () => `20 pings, of which ${line.pings} came`,
      );
      assert.deepEqual([line.ended, stream.ended], [null, false]);
      const cut = keep(await openLine(doomed, "/ws"));
      await until(() => cut.ended, "the end of a line to a node that is gone without a word");
      assert.equal(cut.ended.code, 1006);
    } finally {
      await quick.stop();
      await doomed.stop();
      await pinging.stop();
      await silent.stop();
    }
  });
});
