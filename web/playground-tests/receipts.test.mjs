// The receipts demo's logic: the lines it prints, its bare client, and what is published.

import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";

import { listen } from "../../crates/websocket-server/assets/plain-client.js";
import { manyReceipts, receiptLine, receiptPublication, STATUSES } from "../../crates/websocket-server/assets/receipt-lines.js";
import { answerWords, publishAll, publishOne, requestFor } from "../../crates/websocket-server/assets/world-publish.js";

describe("a line of a receipt", () => {
  it("reads as in the field", () => {
    const text = '{"type":"receipt_update","status":"processed","receipt_id":"abc123","timestamp":"2025-03-26T22:30:00Z"}';
    assert.deepEqual(receiptLine(text, 0), {
      line: "Receipt abc123 → processed", mark: "done", type: "receipt_update", at: Date.parse("2025-03-26T22:30:00Z") });
  });

  it("is printed whatever comes, as text and not too long", () => {
    for (const text of ["", "nonsense", "null", "[]", '{"receipt_id":{}}', `{"receipt_id":"${"x".repeat(10_000)}"}`, "y".repeat(10_000)]) {
      const { line, at } = receiptLine(text, 5);
      assert.ok(line.length < 300 && at === 5, text.slice(0, 20));
    }
    assert.equal(receiptLine('{"receipt_id":"<b>","status":"</b>"}', 0).line, "Receipt <b> → </b>");
  });

  it("all states have a mark of their own", () => {
    const marks = STATUSES.map((status) => receiptLine(JSON.stringify({ receipt_id: "1", status }), 0).mark);
    assert.equal(new Set(marks).size, 4);
  });
});

describe("what the back end publishes", () => {
  it("a hundred receipts go through their states in order", () => {
    const hundred = manyReceipts(100, "r");
    assert.equal(hundred.length, 100);
    const states = new Map();
    for (const { channel, data: { receipt_id: id, status } } of hundred) {
      assert.equal(channel, "receipts");
      states.set(id, [...(states.get(id) ?? []), status]);
    }
    for (const seen of states.values()) assert.deepEqual(["received", "processing_started"].slice(0, seen.length), seen.slice(0, 2));
  });

  const replies = [];
  const original = globalThis.fetch;
  afterEach(() => { globalThis.fetch = original; });
  function answering(status, body, headers = {}) {
    replies.length = 0;
    globalThis.fetch = async (url, options) => {
      replies.push({ url: String(url), ...options });
      if (body === undefined) throw new TypeError("away");
      return new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
    };
  }

  it("is one call for one, and one call for all", async () => {
    const publication = receiptPublication("receipt_update", "abc", "failed");
    answering(200, { success: true, id: "i", recipients: 2 });
    assert.equal(answerWords(await publishOne("http://hub/", publication, "k")), "Queued to 2 connections");
    assert.deepEqual([replies[0].url, replies[0].headers.Authorization, JSON.parse(replies[0].body)], ["http://hub/broadcast", "Bearer k", publication]);
    answering(200, [{ success: true, recipients: 1 }, { success: true, recipients: 1 }]);
    assert.equal(answerWords(await publishAll("http://hub/", [publication, publication])), "2 events queued to 1 connection");
    assert.deepEqual([replies.length, replies[0].url], [1, "http://hub/broadcast/batch"]);
  });

  it("says what happened and what to do when nobody is there, when it is refused, and when nobody answers", async () => {
    answering(200, { success: true, id: "i", recipients: 0 });
    assert.equal(answerWords(await publishOne("http://hub/", {}), "nobody reads receipts"), "Accepted, but nobody reads receipts");
    answering(401, { code: "key_missing", title: "An API key is needed", detail: "an API key is needed" });
    const refused = await publishOne("http://hub/", {});
    assert.equal(refused.field, "key");
    assert.match(answerWords(refused), /Nothing was published\. Give an API key/);
    answering(200, [{ success: true, recipients: 1 }, { success: false, status: 503, error: { title: "Overloaded", code: "overloaded" } }], { "Retry-After": "2" });
    assert.match(answerWords(await publishAll("http://hub/", [{}, {}])), /Overloaded\./);
    answering(0);
    for (const answer of [await publishOne("http://hub/", {}), await publishAll("http://hub/", [{}])]) {
      assert.match(answerWords(answer), /did not answer/);
    }
    answering(502, "<html>");
    assert.equal((await publishAll("http://hub/", [{}])).ok, false);
  });

  it("has its key in a header alone", () => {
    const { body, headers } = requestFor("http://hub/x", { type: "t" }, "secret");
    assert.ok(!body.includes("secret") && headers.Authorization === "Bearer secret");
    assert.equal(requestFor("http://hub/", {}).headers.Authorization, undefined);
  });
});

describe("a bare client", () => {
  function world() {
    let time = 0;
    const sockets = [];
    const timers = new Map();
    const states = [];
    const texts = [];
    const environment = {
      open: (url) => {
        const socket = { url, sent: [], send: (text) => socket.sent.push(text), close: () => { socket.closed = true; } };
        sockets.push(socket);
        return socket;
      },
      now: () => time, random: () => 0,
      setTimeout: (run, ms) => { timers.set(run, time + ms); return run; },
      clearTimeout: (run) => timers.delete(run),
    };
    const advance = (ms) => {
      time += ms;
      for (const [run, at] of [...timers]) if (at <= time && timers.delete(run)) run();
    };
    const client = (more = {}) => listen({ url: "ws://hub/", onText: (text) => texts.push(text), onState: (state) => states.push(state), ...more }, environment);
    return { client, sockets, states, texts, advance, last: () => sockets.at(-1), state: () => states.at(-1) };
  }

  it("passes on what comes, and says nothing unless it has a first word", () => {
    const { client, last, texts, state } = world();
    client();
    last().onopen();
    last().onmessage({ data: "a" });
    assert.deepEqual([texts, last().sent, state().name], [["a"], [], "live"]);
    const other = world();
    other.client({ hello: { type: "subscribe", queueId: "q" } });
    other.last().onopen();
    assert.deepEqual(other.last().sent, ['{"type":"subscribe","queueId":"q"}']);
  });

  it("comes back with growing pauses, when the server says, or when somebody asks", () => {
    const { client, sockets, states, last, advance, state } = world();
    const own = client();
    for (const pause of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      last().onclose({ code: 1006, reason: "" });
      assert.equal(state().name, "waiting");
      const before = sockets.length;
      advance(pause - 1);
      assert.equal(sockets.length, before);
      advance(1);
      assert.equal(sockets.length, before + 1);
    }
    last().onopen();
    advance(5_000);
    last().onclose({ code: 1001, reason: "reconnect in 700 ms" });
    advance(700);
    last().onopen();
    last().onclose({ code: 1006, reason: "" });
    own.tryNow();
    own.tryNow();
    assert.equal(states.filter(({ name }) => name === "connecting").length, sockets.length);
  });

  it("stays away after a code that says so, and after its end", () => {
    const { client, sockets, last, advance, state } = world();
    const own = client();
    last().onclose({ code: 4012, reason: "Disconnected" });
    assert.equal(state().name, "offline");
    advance(100_000);
    assert.equal(sockets.length, 1);
    own.tryNow();
    own.stop();
    last().onclose({ code: 1000, reason: "" });
    advance(100_000);
    assert.deepEqual([sockets.length, last().closed], [2, true]);
  });
});
