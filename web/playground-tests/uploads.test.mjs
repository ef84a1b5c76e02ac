// The upload demo's logic: what the events of a task make of its bar, what its back end sends and where it goes on after a reload,
// and who is signed in.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { readToken, Session, SESSION_KEY } from "../../crates/websocket-server/assets/session.js";
import { endingOf, Player, publicationAt } from "../../crates/websocket-server/assets/uploads-player.js";
import { MOST_UPLOADS, STEPS, Uploads } from "../../crates/websocket-server/assets/uploads-state.js";

const stamp = (n) => `2025-11-18T12:30:${String(n).padStart(2, "0")}.000001`;
const flat = ({ type, data }, n = 0) => ({ type, ...data, timestamp: stamp(n) });
const USER = { userId: "123", id: 602 };
const storage = (initial = {}) => {
  const map = new Map(Object.entries(initial));
  return { get: (key) => map.get(key) ?? null, set: (key, value) => (value === null ? map.delete(key) : map.set(key, value)) };
};

describe("an upload's bar", () => {
  it("goes through the five steps to the end", () => {
    const uploads = new Uploads();
    const seen = Array.from({ length: 7 }, (_, n) => uploads.take(flat(publicationAt(n, USER), n), 0).entry);
    assert.deepEqual(seen.map(({ word }) => word), ["Started", ...[1, 2, 3, 4, 5].map((n) => `Step ${n} of 5`), "Completed"]);
    const end = uploads.get("oracle_upload:602");
    assert.deepEqual([end.mark, end.step, end.steps, end.path], ["done", 5, STEPS, "/exports/602.zip"]);
  });

  it("stands where it was when only the last event is known, as after a reload", () => {
    const { entry } = new Uploads().take(flat(publicationAt(3, USER), 9), 0);
    assert.deepEqual([entry.step, entry.total, entry.steps[2], entry.at], [3, 5, "Interface Loader", Date.parse("2025-11-18T12:30:09.000Z")]);
  });

  it("fails where it was, with the cause, and cancelling is such an end", () => {
    for (const how of ["fail", "cancel"]) {
      const uploads = new Uploads();
      uploads.take(flat(publicationAt(2, USER), 1), 0);
      const { entry } = uploads.take(flat(endingOf(how, USER), 2), 0);
      assert.deepEqual([entry.mark, entry.step], ["failed", 2]);
      assert.match(entry.message, how === "fail" ? /Upload failed: ORA-/ : /Upload cancelled: Cancelled by the user/);
    }
  });

  it("a success that says it was none has failed", () => {
    const { entry } = new Uploads().take({ type: "oracle_upload_completed", transaction_id: 1, success: false, error: "Rejected", timestamp: stamp(0) }, 0);
    assert.deepEqual([entry.mark, entry.message], ["failed", "Rejected"]);
  });

  it("is not moved back by an event that is older, and begins anew with a later one", () => {
    const uploads = new Uploads();
    uploads.take(flat(publicationAt(6, USER), 8), 0);
    assert.equal(uploads.take(flat(publicationAt(2, USER), 7), 0), null);
    const { entry } = uploads.take(flat(publicationAt(0, USER), 9), 0);
    assert.deepEqual([entry.mark, entry.step], ["queued", 0]);
  });

  it("holds against steps that there are not", () => {
    for (const value of [-1, 0, 1.5, 1e300, "2", null, [], {}, Number.NaN, "x".repeat(10_000)]) {
      const type = "oracle_upload_progress";
      const wild = { type, transaction_id: 1, step: value, step_number: value, total_steps: value, message: value, timestamp: value };
      const { entry } = new Uploads().take(wild, 5);
      assert.ok(entry.total >= 1 && entry.step >= 0 && entry.step <= entry.total, String(value));
      assert.ok(entry.steps.length <= 12 && entry.message.length <= 300 && Number.isFinite(entry.at));
    }
    const many = new Uploads().take({ type: "oracle_upload_progress", transaction_id: 1, step_number: 500_000, total_steps: 1_000_000 }, 0);
    assert.deepEqual([many.entry.step, many.entry.total, many.entry.steps.length], [500_000, 1_000_000, 12]);
    for (const none of [null, 7, {}, { type: "pong" }, { type: "oracle_upload_progress" }, { type: "oracle_upload_progress", transaction_id: {} }]) {
      assert.equal(new Uploads().take(none, 0), null);
    }
  });

  it("tasks of other kinds and names have theirs, and there are not too many", () => {
    const uploads = new Uploads();
    const { entry } = uploads.take({ type: "export_progress", transaction_id: "e-1", step: "Rows", step_number: 1, total_steps: 2, timestamp: stamp(0) }, 0);
    assert.deepEqual([entry.name, entry.steps], ["Export", ["Rows", ""]]);
    for (let n = 0; n < MOST_UPLOADS; n += 1) uploads.take(flat(publicationAt(0, { userId: "1", id: n }), 1), 0);
    assert.equal(uploads.all.length, MOST_UPLOADS);
    assert.equal(uploads.get("export:e-1"), null);
  });
});

describe("the back end that plays an upload", () => {
  it("keeps each event for who joins later, and the last one for a minute", () => {
    assert.deepEqual(publicationAt(2, USER).retain, { key: "oracle_upload:602", ttl_s: 3600 });
    assert.deepEqual(publicationAt(6, USER).retain, { key: "oracle_upload:602", final: true });
    assert.deepEqual(endingOf("cancel", USER).retain, { key: "oracle_upload:602", final: true });
    assert.deepEqual(publicationAt(2, USER).user_id, "123");
  });

  it("goes on after a reload with the step that comes next", () => {
    const kept = storage();
    const before = new Player(kept);
    before.begin("123", 602);
    for (let n = 0; n < 3; n += 1) before.advance();
    const after = new Player(kept);
    assert.equal(after.next.data.step, "Interface Loader");
    assert.deepEqual([after.advance(), after.advance(), after.advance(), after.advance()], [false, false, false, true]);
    assert.equal(new Player(kept).plan, null);
  });
});

describe("who is signed in", () => {
  const NOW = Date.parse("2026-11-21T12:00:00Z");
  const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  const jwt = (claims) => `${part({ alg: "HS256" })}.${part(claims)}.c2ln`;
  const inOneHour = NOW / 1000 + 3600;
  const answer = (status, body) => new Response(JSON.stringify(body), { status });

  it("is read from the token as the hub reads it, digit for digit", () => {
    assert.deepEqual(readToken(jwt({ user_id: 7, sub: "other", exp: inOneHour })), { userId: "7", expiresAt: inOneHour * 1000 });
    assert.equal(readToken(jwt({ sub: "Ána", exp: inOneHour })).userId, "Ána");
    assert.equal(readToken(jwt(`{"user_id":9007199254740993,"exp":${inOneHour}}`)).userId, "9007199254740993");
  });

  it("a token that can't be one is told apart in words, and is not shown", () => {
    const wrong = ["", "secret", "a.b", "a.%%%.c", jwt("[]"), jwt({ exp: inOneHour }), jwt({ sub: null, exp: inOneHour }), jwt({ sub: {}, exp: 1 }), jwt({ sub: "7" })];
    for (const token of wrong) {
      assert.throws(() => readToken(token), (fault) => fault instanceof TypeError && (token === "" || !fault.message.includes(token)));
    }
    const session = new Session({ kept: storage(), now: () => NOW });
    assert.throws(() => session.useToken(jwt({ sub: "7", exp: NOW / 1000 - 1 })), /has ended/);
    assert.equal(session.current, null);
  });

  it("is kept in the tab, and ends with the token", () => {
    const kept = storage();
    new Session({ kept, now: () => NOW }).useToken(jwt({ user_id: 7, exp: inOneHour }));
    let now = NOW;
    const later = new Session({ kept, now: () => now });
    assert.deepEqual([later.current.userId, later.isOver], ["7", false]);
    now = NOW + 3_600_000;
    assert.equal(later.isOver, true);
    later.signOut();
    assert.equal(new Session({ kept }).current, null);
    assert.equal(new Session({ kept: storage({ [SESSION_KEY]: { token: 7 } }) }).current, null);
  });

  it("an account's token is renewed once however many ask, and before it ends", async () => {
    let now = NOW;
    const calls = [];
    const fetch = async (path, { body }) => {
      calls.push([path, JSON.parse(body)]);
      const exp = now / 1000 + 900;
      return answer(200, { user: { name: "Demo" }, access_token: jwt({ user_id: 1, exp, n: calls.length }), refresh_token: `r${calls.length}` });
    };
    const session = new Session({ kept: storage(), now: () => now, fetch });
    await session.makeAccount();
    const first = await session.freshToken();
    now += 850_000;
    const [one, two] = await Promise.all([session.freshToken(), session.freshToken()]);
    assert.ok(one === two && one !== first);
    assert.deepEqual(calls.map(([path]) => path), ["/auth/register", "/auth/refresh"]);
    assert.deepEqual(calls[1][1], { refresh_token: "r1" });
    assert.ok(calls[0][1].password.length >= 32 && calls[0][1].user_type === "worker");
  });

  it("is over when the renewal is refused, and not when the service is away", async () => {
    let now = NOW;
    let next = () => answer(200, { user: { name: "Demo" }, access_token: jwt({ user_id: 1, exp: NOW / 1000 + 900 }), refresh_token: "r" });
    const session = new Session({ kept: storage(), now: () => now, fetch: async () => next() });
    await session.signIn("a@example.com", "password");
    now += 850_000;
    next = () => { throw new Error("away"); };
    assert.ok(await session.freshToken());
    next = () => answer(401, { code: "invalid_refresh_token", detail: "no" });
    assert.equal(await session.freshToken(), null);
    assert.equal(session.current, null);
  });

  it("a refusal is told in words", async () => {
    const session = (reply) => new Session({ kept: storage(), fetch: async () => reply() });
    await assert.rejects(session(() => answer(401, { code: "invalid_credentials" })).signIn("a", "b"), /address or the password is wrong/);
    await assert.rejects(session(() => new Response("{}", { status: 429, headers: { "Retry-After": "9" } })).signIn("a", "b"), /again in 9 s/);
    await assert.rejects(session(() => { throw new Error(); }).signIn("a", "b"), /did not answer/);
    await assert.rejects(session(() => new Response("<html>", { status: 502 })).signIn("a", "b"), /answered 502/);
  });
});
