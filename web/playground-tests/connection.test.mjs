// The playground's connection as a state machine: pauses, close codes, pings, tokens. Socket, clock and chance are the
// test's own, so nothing waits.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Connection } from "../../crates/websocket-server/assets/connection.js";

/** An environment whose time stands still until `advance`, and whose sockets the test speaks for. */
function world() {
  let time = 0;
  let lastId = 0;
  const timers = new Map();
  const sockets = [];
  const env = {
    now: () => time,
    monotonic: () => time,
    // The end of the jitter: every pause is as long as it may be.
    random: () => 1,
    setTimeout: (run, ms) => {
      timers.set(++lastId, { at: time + ms, run });
      return lastId;
    },
    clearTimeout: (id) => timers.delete(id),
    open: (url, protocols) => {
      const listeners = {};
      const socket = {
        url,
        protocols,
        sent: [],
        closed: null,
        addEventListener: (name, listener) => {
          listeners[name] = listener;
        },
        send: (text) => socket.sent.push(JSON.parse(text)),
        close: (code, reason) => {
          socket.closed = [code, reason];
        },
        fire: (name, event = {}) => listeners[name](event),
        welcome() {
          socket.fire("open");
          socket.fire("message", { data: '{"type":"connected","data":{"connection_id":"c1"}}' });
        },
      };
      sockets.push(socket);
      return socket;
    },
  };
  const next = (end) =>
    [...timers].filter(([, timer]) => timer.at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
  const advance = (ms) => {
    const end = time + ms;
    for (let due = next(end); due; due = next(end)) {
      timers.delete(due[0]);
      time = due[1].at;
      due[1].run();
    }
    time = end;
  };
  return { env, sockets, advance, now: () => time, last: () => sockets.at(-1) };
}

/** A world with a connection that has had its welcome. */
function live() {
  const it = world();
  const connection = new Connection(it.env);
  connection.connect("ws://h/ws", "");
  it.last().welcome();
  return { ...it, connection };
}

describe("connection", () => {
  it("tries again after 1, 2, 4, 8, 16 and then always 30 seconds", () => {
    const { env, last, advance, now } = world();
    const connection = new Connection(env);
    connection.connect("ws://h/ws", "");
    const pauses = [];
    for (let round = 0; round < 8; round += 1) {
      last().fire("close", { code: 1006, reason: "" });
      pauses.push(connection.state.retryAt - now());
      advance(connection.state.retryAt - now());
      assert.equal(connection.state.name, "connecting");
    }
    assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    last().welcome();
    assert.equal(connection.state.name, "live");
    assert.equal(connection.state.offlineSince, null);
  });

  it("comes back when the drain asks it to", () => {
    const { connection, last, advance, now } = live();
    last().fire("close", { code: 1001, reason: "draining; reconnect in 2500 ms" });
    assert.equal(connection.state.retryAt - now(), 2500);
    advance(2499);
    assert.equal(connection.state.name, "waiting");
    advance(1);
    assert.equal(connection.state.name, "connecting");
  });

  it("measures the round trip and pings again after 20 seconds", () => {
    const { connection, last, advance } = live();
    advance(1000);
    assert.deepEqual(last().sent, [{ type: "ping" }]);
    advance(3);
    last().fire("message", { data: '{"type":"pong"}' });
    assert.equal(connection.state.roundTripMs, 3);
    advance(20000);
    assert.equal(last().sent.length, 2);
  });

  it("says that a pong is late, and gives the connection up when none comes", () => {
    const { connection, last, advance } = live();
    const socket = last();
    advance(1000 + 5000);
    assert.ok(connection.state.unansweredSince);
    advance(10000);
    assert.equal(connection.state.name, "waiting");
    assert.deepEqual(socket.closed, [undefined, undefined]);
  });

  it("backs off after a rate limit, unless the user asks to try now", () => {
    const { connection, last, now } = live();
    last().fire("close", { code: 4008, reason: "Rate limit exceeded" });
    assert.equal(connection.state.retryAt - now(), 1000);
    connection.tryNow();
    assert.equal(connection.state.name, "connecting");
  });

  it("does not come back with a token that was refused", () => {
    const { connection, last, advance } = live();
    last().fire("close", { code: 4001, reason: "Unauthorized" });
    assert.equal(connection.state.name, "signed-out");
    advance(1e6);
    assert.equal(connection.state.name, "signed-out");
  });

  it("sends a token as a subprotocol, or in the query where it can be none", () => {
    const { env, last } = world();
    const connection = new Connection(env);
    connection.connect("ws://h/ws", "a.b-c");
    assert.deepEqual(last().protocols, ["fanfare", "a.b-c"]);
    connection.connect("ws://h/ws", "a b/=");
    assert.equal(last().url, "ws://h/ws?token=a+b%2F%3D");
  });

  it("stays offline once the user has disconnected", () => {
    const { connection, advance } = live();
    connection.disconnect();
    assert.equal(connection.state.name, "offline");
    advance(1e6);
    assert.equal(connection.state.name, "offline");
  });

  it("gives up a server that sends no welcome, and tries again", () => {
    const { env, sockets, advance } = world();
    const connection = new Connection(env);
    connection.connect("ws://h/ws", "");
    advance(15000);
    assert.equal(connection.state.name, "waiting");
    const attempts = sockets.length;
    advance(1000);
    assert.equal(sockets.length, attempts + 1);
  });
});
