// The social demo's logic: what becomes of messages, read positions, typing and losses; what the bell counts; what its back end sends and
// how events are put into words; the partner.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Bell, MOST_NOTIFICATIONS } from "../../crates/websocket-server/assets/social-bell.js";
import { Chats, faultOf, MOST_MESSAGES, MOST_PEERS, userOf } from "../../crates/websocket-server/assets/social-chat.js";
import { inWords, KINDS, publicationOf, SHOWN } from "../../crates/websocket-server/assets/social-events.js";
import { Partner } from "../../crates/websocket-server/assets/social-partner.js";

const NOW = Date.parse("2026-11-21T12:00:00.000Z");
const stamp = "2026-11-21T12:00:00.000Z";
const from = (user, id, message = `m${id}`) => ({ id, from_user_id: user, to_user_id: 7, message, timestamp: stamp });
const mine = (user, id, message = `m${id}`) => ({ id, from_user_id: 7, to_user_id: user, message, timestamp: stamp });
const ids = (chats, user) => chats.shown(user).map(({ id, key }) => id ?? key);
const newest = (...messages) => messages.sort((left, right) => right.id - left.id);

describe("a conversation", () => {
  it("has its messages in the order of their ids, each once, whichever way they came and whoever sent them", () => {
    const chats = new Chats(7);
    for (const message of [from(8, 5), mine("8", 3), from("8", 4), from(8, 5), from(9, 6)]) chats.take(message);
    assert.deepEqual(ids(chats, 8), [3, 4, 5]);
    assert.deepEqual(chats.all.map(({ id, unread }) => [id, unread]), [["9", 1], ["8", 2]]);
    assert.equal(chats.take(from(8, 5)).isNew, false);
    for (const none of [null, {}, { id: "5" }, from({}, 1), { ...from(8, 1), message: null }, { ...from(8, 1), id: 1.5 }]) assert.equal(chats.take(none), null);
  });

  it("a message to oneself is one conversation, and is read", () => {
    const chats = new Chats("7");
    chats.take(mine(7, 1));
    assert.deepEqual([ids(chats, 7), chats.with(7).unread, chats.toRead(7)], [[1], 0, null]);
  });

  it("is read up to the last message of the other", () => {
    const chats = new Chats(7);
    chats.fetched(8, newest({ ...from(8, 1), read: true }, { ...from(8, 2), read: false }, { ...mine(8, 3), read: true }, { ...mine(8, 4), read: false }), false);
    assert.deepEqual([chats.with(8).unread, chats.toRead(8), chats.with(8).readTo], [1, 2, 3]);
    chats.read("8", 4);
    chats.read("8", 2);
    chats.read("8", "no number");
    assert.equal(chats.with(8).readTo, 4);
  });

  it("typing ends by itself, with a message, and when the other goes", () => {
    const chats = new Chats(7);
    assert.equal(chats.typing(8, true, NOW).typingUntil, NOW + 6_000);
    assert.equal(chats.with(8).presence, "online");
    chats.take(from(8, 1));
    assert.equal(chats.with(8).typingUntil, 0);
    chats.typing(8, true, NOW);
    const peer = chats.present(8, "offline", NOW);
    assert.deepEqual([peer.typingUntil, peer.presence, peer.since], [0, "offline", NOW]);
  });

  it("holds not more than it says", () => {
    const chats = new Chats(7);
    for (let id = 1; id <= MOST_MESSAGES + 10; id += 1) chats.take(from(8, id));
    assert.deepEqual([chats.with(8).messages.size, ids(chats, 8)[0]], [MOST_MESSAGES, 11]);
    chats.keep(8);
    const entry = chats.begin(9, "not sent yet", NOW);
    for (let user = 100; user < 100 + 2 * MOST_PEERS; user += 1) chats.take(from(user, 1_000 + user));
    for (let user = 1_000; user < 1_000 + 2 * MOST_PEERS; user += 1) chats.present(user, "online", NOW);
    assert.equal(chats.all.length, MOST_PEERS);
    // Neither what is open nor what is not sent goes, and who was only seen goes before who has written.
    assert.deepEqual([chats.with(8).messages.size, chats.with(9).sending], [MOST_MESSAGES, [entry]]);
    assert.ok(chats.all.filter(({ messages }) => messages.size > 0).length >= MOST_PEERS - 3);
  });
});

describe("after a loss", () => {
  const chatting = () => {
    const chats = new Chats(7);
    assert.equal(chats.fetched(8, newest(from(8, 1), mine(8, 2)), true), true);
    assert.equal(chats.with(8).hasEarlier, true);
    chats.take(from(8, 3));
    chats.lost();
    return chats;
  };

  it("pages are fetched until what was known is reached, also where something new arrived before", () => {
    const chats = chatting();
    // Live again: it stands in its place, but what is between is not there yet.
    chats.take(from(8, 9));
    assert.equal(chats.with(8).upTo, 3);
    assert.equal(chats.fetched(8, newest(from(8, 9), from(8, 8)), true), false);
    assert.equal(chats.fetched(8, newest(from(8, 7), mine(8, 6)), true), false);
    assert.equal(chats.fetched(8, newest(from(8, 5), from(8, 3)), true), true);
    assert.deepEqual(ids(chats, 8), [1, 2, 3, 5, 6, 7, 8, 9]);
    assert.deepEqual([chats.with(8).isWhole, chats.with(8).upTo, chats.with(8).hasEarlier], [true, 9, true]);
  });

  it("a conversation that has become shorter ends the search", () => {
    const chats = chatting();
    assert.equal(chats.fetched(8, newest(from(8, 12)), false), true);
    assert.equal(chats.with(8).upTo, 12);
  });

  it("who is there is not known any more", () => {
    const chats = chatting();
    chats.present(8, "online", NOW);
    chats.lost();
    assert.equal(chats.with(8).presence, "unknown");
  });

  it("a message whose answer was lost is found among the fetched, or was not sent", () => {
    const chats = chatting();
    const lost = (text) => {
      const entry = chats.begin(8, text, NOW);
      chats.answered(8, entry, { success: false, code: "unanswered" }, NOW);
      return entry;
    };
    const [twice, again, never] = [lost("twice"), lost("twice"), lost("m2")];
    assert.equal(twice.state, "open");
    chats.fetched(8, newest(mine(8, 2, "m2"), mine(8, 4, "twice")), true);
    assert.deepEqual(chats.with(8).sending, [again, never]);
    assert.deepEqual([again.state, never.state], ["unsent", "unsent"]);
    chats.drop(8, again);
    assert.deepEqual(ids(chats, 8), [1, 2, 3, 4, never.key]);
  });

  it("an answer puts the message in its place, and a refusal says why", () => {
    const chats = chatting();
    const [first, second] = [chats.begin(8, "first", NOW), chats.begin(8, "second", NOW)];
    chats.answered(8, first, { success: true, id: 4 }, NOW);
    chats.answered(8, second, { success: false, code: "blocked", message: "They do not want messages." }, NOW);
    assert.deepEqual(ids(chats, 8), [1, 2, 3, 4, second.key]);
    assert.deepEqual([second.state, second.why], ["unsent", "They do not want messages."]);
    chats.take(mine(8, 4, "first"));
    assert.equal(chats.with(8).messages.size, 4);
  });

  it("what the server tells of all conversations is taken", () => {
    const chats = chatting();
    chats.told({ user_id: 9, last_message: from(9, 20), unread_count: 3, last_read_id: null, peer_last_read_id: 18 });
    chats.told({ user_id: null });
    const { id, unread, readTo, latest } = chats.all[0];
    assert.deepEqual([id, unread, readTo, latest], ["9", 3, 18, 20]);
  });
});

describe("what is typed", () => {
  it("an id that looks like the services' is a number, any other is text", () => {
    assert.deepEqual([" 8 ", "0", "08", "anna", "9007199254740993", "1.5"].map(userOf), [8, "0", "08", "anna", "9007199254740993", "1.5"]);
  });

  it("a text has 1 to 4,096 bytes, and what is wrong is said in words", () => {
    assert.equal(faultOf("a".repeat(4_096)), null);
    assert.match(faultOf("é".repeat(2_049)), /at most 4096 bytes, and this one has 4098/);
    assert.match(faultOf(" \n"), /Type a message/);
  });
});

describe("the bell", () => {
  it("counts what is unread, each once, and shows 99+", () => {
    const bell = new Bell();
    assert.equal(bell.badge, "");
    const note = { id: 1, title: "Payout", message: "$5", timestamp: stamp };
    assert.deepEqual(bell.take(note, 0), { id: "1", title: "Payout", message: "$5", at: NOW, isRead: false });
    assert.equal(bell.take(note, 0), null);
    for (let n = 0; n < 200; n += 1) bell.take({ title: `n${n}` }, NOW);
    assert.deepEqual([bell.badge, bell.all.length, bell.all[0].title], ["99+", MOST_NOTIFICATIONS, "n199"]);
    bell.readAll();
    assert.deepEqual([bell.badge, bell.unread], ["", 0]);
  });

  it("follows what was read and deleted on another device", () => {
    const bell = new Bell();
    for (const id of ["a", "b"]) bell.take({ id, title: id }, NOW);
    bell.read("a");
    assert.equal(bell.badge, "1");
    bell.remove("b");
    assert.deepEqual(bell.all.map(({ id }) => id), ["a"]);
  });

  it("holds against notifications that are none", () => {
    const bell = new Bell();
    for (const none of [null, 7, "text"]) assert.equal(bell.take(none, NOW), null);
    const { title, message, at } = bell.take({ title: {}, message: ["x"], timestamp: {} }, NOW);
    assert.deepEqual([title, message, at], ["Notification", "", NOW]);
    assert.equal(bell.take({ message: `a\nb${"x".repeat(1_000)}` }, NOW).title.length, 300);
  });
});

describe("the back end and its events", () => {
  it("sends types of the table to the user, without a namespace", () => {
    const types = new Set([...SHOWN.sns, ...SHOWN.orders, "notification"]);
    for (const { key } of KINDS) {
      const { type, user_id: user, data, ...rest } = publicationOf(key, 7, 3);
      assert.ok(types.has(type), type);
      assert.deepEqual([user, Object.keys(rest)], [7, []]);
      if (type !== "notification") assert.ok(inWords(type, data).text.length > 0, type);
    }
    assert.notEqual(publicationOf("notification", 7, 1).data.id, publicationOf("notification", 7, 2).data.id);
  });

  it("puts every event into words, whatever its data is", () => {
    for (const type of [...SHOWN.sns, ...SHOWN.orders]) {
      for (const data of [null, undefined, 7, [], {}, { post_id: {}, order_id: [], name: Number.POSITIVE_INFINITY, platforms: [{}, null], status: "" }]) {
        const { title, text, mark } = inWords(type, data);
        assert.ok(title.length > 0 && typeof text === "string" && ["info", "success", "error"].includes(mark), type);
        assert.doesNotMatch(`${title}${text}`, /undefined|null|object/);
      }
    }
    assert.deepEqual(inWords("post_liked", { post_id: 3, user_id: 9, likes: 1 }), { title: "User 9 likes your post", text: "Post 3 · 1 like", mark: "info" });
  });
});

describe("the partner", () => {
  it("reads, types and answers once to what came in one go, and never answers itself", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const did = [];
    let heard;
    class Client {
      constructor({ token }) { this.token = token; }
      on(room, event, run) { if (room === "chat" && event === "message_received") heard = run; }
      connect() { did.push("connect"); }
      disconnect() { did.push("disconnect"); }
      markRead(id) { did.push(["read", id]); }
      setTyping(to, isTyping) { did.push(["typing", to, isTyping]); }
      sendMessage(to, text) { did.push(["answer", to, text.includes("one two")]); }
    }
    const session = { current: null, isOver: false, makeAccount: async () => { session.current = { userId: "8", name: "Demo" }; } };
    const partner = new Partner({ Client, session });
    await partner.join();
    await partner.join();
    assert.equal(partner.isThere, true);
    heard({ id: 1, from_user_id: 7, to_user_id: 8, message: "one" });
    heard({ id: 2, from_user_id: 7, to_user_id: 8, message: "one two" });
    heard({ id: 3, from_user_id: 8, to_user_id: 7, message: "mine" });
    t.mock.timers.tick(5_000);
    t.mock.timers.tick(5_000);
    assert.deepEqual(did, ["connect", ["read", 2], ["typing", 7, true], ["typing", 7, false], ["answer", 7, true]]);
    heard({ id: 4, from_user_id: 7, to_user_id: 8, message: "more" });
    partner.leave();
    t.mock.timers.tick(5_000);
    assert.deepEqual(did.slice(5), ["disconnect"]);
    assert.equal(partner.isThere, false);
  });
});
