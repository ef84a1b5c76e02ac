// The dashboard demo's logic: what frames make of the list of documents, what falls into which window, and what its back end sends.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Documents, MOST_DOCUMENTS } from "../../crates/websocket-server/assets/dashboard-documents.js";
import { burst, hasField, KINDS, nextId, publicationOf, QUEUE, wholeStory } from "../../crates/websocket-server/assets/dashboard-events.js";
import { eventsIn, WINDOWS, Windows } from "../../crates/websocket-server/assets/dashboard-windows.js";

const at = (second) => `2026-11-21T12:00:${String(second).padStart(2, "0")}.000Z`;
const frame = (type, more, second = 0) => ({ type, ...more, timestamp: at(second) });
/** The frame that a publication becomes on the wire. */
const flat = ({ type, data }, second) => frame(type, data, second);

describe("the list of documents", () => {
  it("has one entry for each document, whatever is told of it", () => {
    const documents = new Documents();
    const taken = wholeStory("image", { user: "7", id: "doc-1" }).map((publication, n) => documents.take(flat(publication, n), 0));
    assert.deepEqual(taken.map(({ isNew }) => isNew), [true, false, false, false, false]);
    assert.deepEqual(taken.map(({ entry }) => entry.progress), [null, 25, 50, 75, null]);
    const [entry] = documents.all;
    assert.deepEqual([entry.title, entry.mark, entry.word, entry.detail], ["Passport doc-1", "done", "Processed", "2.5 s"]);
    assert.deepEqual(documents.counts, { working: 0, done: 1, failed: 0 });
  });

  it("knows every stage of every kind that the back end sends", () => {
    for (const [kind, { stages }] of Object.entries(KINDS)) {
      stages.forEach((_, stage) => {
        const documents = new Documents();
        const form = { user: "7", id: "x-1", progress: 40, error: "Too dark" };
        const { entry } = documents.take(flat(publicationOf(kind, stage, form), 0), 0);
        assert.equal(entry.mark === "failed", hasField(kind, stage, "error"), `${kind} ${stage}`);
        assert.equal(entry.progress, hasField(kind, stage, "progress") ? 40 : null, `${kind} ${stage}`);
        assert.match(entry.title, /x-1$/);
        if (entry.mark === "failed") assert.equal(entry.detail, "Too dark");
      });
    }
  });

  it("news that come again after a reconnect do not undo what came later", () => {
    const documents = new Documents();
    documents.take(frame("image_processed", { documentId: "1", status: "completed" }, 9), 0);
    assert.equal(documents.take(frame("image_processing_progress", { documentId: "1", progress: 50 }, 5), 0), null);
    assert.equal(documents.all[0].mark, "done");
  });

  it("what is done by its type and failed by its status has failed", () => {
    const { entry } = new Documents().take(frame("image_processed", { documentId: "1", status: "failed", error: { message: "Torn" } }), 0);
    assert.deepEqual([entry.mark, entry.detail], ["failed", "Torn"]);
  });

  it("holds against members that are none: ids, numbers and texts of any type", () => {
    const odd = [null, true, [], {}, -1, 1e308, "", " ", "x".repeat(10_000), { name: "a" }, { message: 1 }];
    for (const value of odd) {
      const all = { documentId: value, documentType: value, progress: value, error: value, status: value, processingDuration: value, resource: value };
      for (const type of ["image_processing_progress", "image_processed", "image_processing_failed", "status_update"]) {
        const { entry } = new Documents().take(frame(type, all), 0);
        assert.ok(entry.title.length > 0 && entry.title.length < 400 && entry.detail.length < 400);
        assert.ok(entry.progress === null || (entry.progress >= 0 && entry.progress <= 100));
      }
    }
    for (const none of [null, undefined, 7, "text", [], {}, { type: 7 }, { type: "pong" }, { type: "realtime_update" }]) {
      assert.equal(new Documents().take(none, 0), null);
    }
  });

  it("stays bounded: the one that was longest without news goes", () => {
    const documents = new Documents();
    for (let n = 0; n < MOST_DOCUMENTS; n += 1) documents.take(frame("image_processing_started", { documentId: `d${n}` }), 0);
    documents.take(frame("image_processing_progress", { documentId: "d0", progress: 5 }, 1), 0);
    const { gone } = documents.take(frame("image_processing_started", { documentId: "new" }, 2), 0);
    assert.equal(gone, "image d1");
    assert.equal(documents.all.length, MOST_DOCUMENTS);
  });

  it("is there again after a reload, and takes no harm from a storage that somebody wrote into", () => {
    const before = new Documents();
    before.take(frame("pdf_generated", { reportId: 4, fileSize: 482_133 }, 3), 0);
    const kept = JSON.parse(JSON.stringify(before.all));
    assert.deepEqual(new Documents(kept).all, before.all);
    for (const nonsense of [null, 7, "x", [null, 7, { key: 1 }, { key: "k" }]]) assert.deepEqual(new Documents(nonsense).all, []);
  });
});

describe("frames by window", () => {
  it("a batch is one frame with all of its events, an answer is none", () => {
    assert.equal(eventsIn('{"type":"image_processed"}'), 1);
    assert.equal(eventsIn('{"type":"batch_update","messages":[{"type":"a"},{"type":"b"}],"timestamp":"x"}'), 2);
    for (const none of ['{"type":"pong"}', '{"type":"subscribed"}', '{"type":"error"}', "{", "null", "[]", "7", new ArrayBuffer(2)]) {
      assert.equal(eventsIn(none), 0);
    }
  });

  it("counts by window and forgets what is too old to be drawn", () => {
    const windows = new Windows(100);
    windows.add(1, 1_000);
    windows.add(1, 1_099);
    windows.add(20, 1_100);
    assert.deepEqual(windows.columns(1_150).slice(-2), [{ frames: 2, events: 2 }, { frames: 1, events: 20 }]);
    assert.deepEqual(windows.totals, { frames: 3, events: 22, last: { frames: 1, events: 20 } });
    windows.add(5, 1_000_000);
    assert.deepEqual(windows.columns(1_000_000).filter(({ frames }) => frames > 0), [{ frames: 1, events: 5 }]);
    assert.equal(windows.columns(1_000_000).length, WINDOWS);
  });
});

describe("the dashboard's back end", () => {
  it("sends transcriptions to the queue and all else to the user", () => {
    assert.deepEqual(publicationOf("transcription", 0, { user: "7", id: "call-1" }),
      { type: "transcription_queued", queue_id: QUEUE, data: { transcriptionId: "call-1", status: "queued" } });
    const status = publicationOf("status", 3, { user: "7", id: "case-9", error: "Closed" });
    assert.deepEqual(status, { type: "status_update", user_id: "7", data: { updateType: "case", resource: "case-9", status: "failed", error: "Closed" } });
  });

  it("plays what goes well, with the end at the end", () => {
    for (const kind of Object.keys(KINDS)) {
      const types = wholeStory(kind, { user: "7", id: "1" }).map(({ type }) => type);
      assert.ok(!types.some((type) => type.endsWith("_failed")), kind);
      assert.ok(types.length >= 3, kind);
    }
    assert.equal(burst(50, { user: "7", first: 100 }).length, 50);
  });

  it("counts ids on", () => {
    assert.deepEqual(["doc-7", "doc-09", "doc-99", "case"].map(nextId), ["doc-8", "doc-10", "doc-100", "case"]);
  });
});
