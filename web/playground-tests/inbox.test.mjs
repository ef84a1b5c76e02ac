// What the back end of the inbox demo sends, and how its answers are put into words.

import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";

import { draftOf, hasInbox, KINDS, notificationRequest, sendNotification, sentWords } from "../../crates/websocket-server/assets/inbox-send.js";

const NOW = Date.parse("2026-11-21T12:00:00.000Z");
const real = globalThis.fetch;
const answers = (answer) => { globalThis.fetch = async () => answer(); };
const request = notificationRequest("http://hub.test/", draftOf("job", 0), "t0ken");

afterEach(() => { globalThis.fetch = real; });

describe("what the inbox demo sends", () => {
  it("is a notification that the service takes: a title, and nothing that it does not know", () => {
    const known = new Set(["type", "category", "title", "message", "priority", "expires_at"]);
    for (const { key } of KINDS) {
      for (const n of [0, 1, 100]) {
        const draft = draftOf(key, n, { isShort: n === 1, now: NOW });
        assert.ok(draft.title.length >= 1 && draft.title.length <= 200, key);
        assert.ok(Object.keys(draft).every((member) => known.has(member)), key);
        assert.equal(draft.expires_at, n === 1 ? "2026-11-21T12:01:00.000Z" : undefined);
      }
    }
  });

  it("goes to the user's own inbox, with the token in the header alone", () => {
    assert.equal(request.url, "http://hub.test/api/notifications");
    assert.equal(request.headers.Authorization, "Bearer t0ken");
    assert.ok(!`${request.url}${request.body}`.includes("t0ken"));
  });

  it("is answered in words, whatever the answer is", async () => {
    const words = async (answer, count) => {
      answers(answer);
      return sentWords(await sendNotification(request), count);
    };
    assert.match(await words(() => Response.json({ id: 7 }, { status: 201 })), /^Stored as 7 in \d+ ms$/);
    assert.equal(await words(() => Response.json({ id: 7 }, { status: 201 }), 25), "25 stored");
    assert.match(await words(() => Response.json({}, { status: 404 })), /^There is no notification service behind this hub\. Nothing was sent\. Start “fanfare up”/);
    assert.match(await words(() => Response.json({ title: "Unauthorized", code: "unauthorized" }, { status: 401 })), /Sign in again\.$/);
    assert.match(await words(() => new Response("<html>", { status: 502 })), /^The server refused the event\./);
    assert.match(await words(() => new Response("no JSON", { status: 201 })), /./);
    assert.match(await words(() => { throw new TypeError("away"); }), /^The server did not answer\./);
  });

  it("there is an inbox unless the server says that there is no such place", async () => {
    answers(() => Response.json({}, { status: 404 }));
    assert.equal(await hasInbox("t"), false);
    for (const status of [200, 401, 503]) {
      answers(() => Response.json({}, { status }));
      assert.equal(await hasInbox("t"), true);
    }
    answers(() => { throw new TypeError("away"); });
    assert.equal(await hasInbox("t"), true);
  });
});
