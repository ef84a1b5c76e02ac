// Scripts as the field has them, unchanged, against `fanfare up`: each gets the contract's events in the shape that it was written
// for, and does after a restart what it does by itself. Not here: pages (pages.browser.mjs), and the frames of each world in full
// (crates/websocket-server/tests).

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { Script, serverPackage, startUp, tokenOf } from "./stage.mjs";

const MILLISECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const MICROSECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/;
const SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** What the dashboard's back end tells of: type, data. */
const DASHBOARD = [
  ["image_processing_started", { documentId: "doc-1", documentType: "passport", status: "processing" }],
  [
    "image_processed",
    {
      documentId: "doc-1",
      documentType: "passport",
      status: "completed",
      signedUrl: "https://files.example/doc-1?sig=a%2Bb&x=1",
      processingDuration: 2500,
    },
  ],
  [
    "pdf_generated",
    { reportId: "r-7", pdfUrl: "https://files.example/r-7.pdf", status: "completed", fileSize: 48213 },
  ],
  ["pdf_generation_failed", { reportId: "r-8", error: "The file is <b>empty</b>" }],
  [
    "status_update",
    { updateType: "case", resource: "case-9", status: "closed", data: { by: "Zoë", type: "inner" } },
  ],
];

const UPLOAD = {
  transaction_id: 602,
  step: "Upload to UCM",
  step_number: 2,
  total_steps: 5,
  message: "Upload to UCM (2 of 5)",
  status: "processing",
};

/** A flat frame without its timestamp, once that has the form of its world. */
function checked({ timestamp, ...rest }, form) {
  assert.match(timestamp, form);
  return rest;
}

let running = [];
function run(...args) {
  const script = new Script(...args);
  running.push(script);
  return script;
}
afterEach(async () => {
  for (const script of running) await script.stop();
  running = [];
});

describe("scripts of the field, unchanged, against fanfare up", { timeout: 300_000 }, () => {
  let server;
  let node;

  before(async () => {
    server = await startUp();
    node = await serverPackage();
  });
  after(async () => {
    await server?.stop();
  });

  for (const place of ["dashboard", "dashboardOnMain"]) {
    it(`the dashboard's client with ws subscribes, pings and gets its user's events: ${place}`, async () => {
      const user = `anna of ${place}`;
      const script = run("dashboard-ws.cjs", [server.worlds[place], user], { HEARTBEAT_MS: "50" });
      const [subscribed] = await script.frames("subscribed");
      const { connectionId, ...confirmation } = checked(subscribed, MILLISECONDS);
      assert.deepEqual(confirmation, { type: "subscribed", userId: user });
      assert.match(connectionId, UUID);

      for (const [type, data] of DASHBOARD) {
        await server.publish({ type, data, user_id: "somebody else" });
        const { success, recipients } = await server.publish({ type, data, user_id: user });
        assert.deepEqual({ success, recipients }, { success: true, recipients: 1 });
        const [frame] = await script.frames(type);
        assert.deepEqual(checked(frame, MILLISECONDS), { type, ...data });
      }
      // Two answers to pings from now on: whatever else was on its way would be there.
      const pongs = script.lines.filter((line) => line.startsWith("pong ")).length;
      for (const pong of await script.frames("pong", pongs + 2)) {
        assert.deepEqual(checked(pong, MILLISECONDS), { type: "pong" });
      }
      assert.deepEqual(
        script.lines.map((line) => line.split(" ")[0]).filter((word) => word !== "pong"),
        ["subscribed", ...DASHBOARD.map(([type]) => type)],
      );
    });
  }

  it("the dashboard's client with w3cwebsocket gets what the Node back end tells of its queue", async () => {
    const script = run("dashboard-w3c.cjs", [server.worlds.dashboard, "ben", "queue-3"]);
    const [{ userId, queueId }] = await script.frames("subscribed");
    assert.deepEqual([userId, queueId], ["ben", "queue-3"]);
    const fanfare = node.createFanfare({ url: server.url });
    const told = { transcriptionId: "t-3", duration: 61.5, wordCount: 1200 };
    await fanfare.broadcastTranscriptionUpdate("queue-4", { type: "transcription_complete", ...told });
    const type = node.WS_MESSAGE_TYPES.TRANSCRIPTION_COMPLETE;
    const { recipients } = await fanfare.broadcastTranscriptionUpdate("queue-3", { type, ...told });
    assert.equal(recipients, 1);
    const [frame] = await script.frames("transcription_complete");
    assert.deepEqual(checked(frame, MILLISECONDS), { type: "transcription_complete", ...told });
    assert.equal(script.lines.length, 2);
  });

  it("the dashboard is told what goes to everyone, and receipts and tasks are not", async () => {
    const dashboard = run("dashboard-ws.cjs", [server.worlds.dashboard, "ella"]);
    const receipts = run("receipts.py", [server.worlds.receipts]);
    const tasks = run("tasks.py", [server.worlds.tasks, "--token", tokenOf(5)]);
    await dashboard.frames("subscribed");
    await receipts.printed("Connected");
    await tasks.frames("pong");
    await server.publish({ type: "realtime_update", data: { note: "Maintenance at 22:00" } });
    const [notice] = await dashboard.frames("realtime_update");
    assert.equal(notice.note, "Maintenance at 22:00");
    // The next thing that each of the others hears is its own.
    await server.publish({
      type: "receipt_update",
      channel: "receipts",
      data: { status: "received", receipt_id: "r-1" },
    });
    await server.publish({ type: "oracle_upload_progress", user_id: 5, data: UPLOAD });
    await receipts.printed("Receipt");
    await tasks.printed("oracle_upload_progress");
    assert.deepEqual(receipts.lines[1].split(" {")[0], "Receipt r-1 → received");
    assert.deepEqual(
      tasks.lines.map((line) => line.split(" ")[0]),
      ["connection_established", "pong", "602:", "oracle_upload_progress"],
    );
  });

  it("a user in three worlds gets each event once per connection, in the connection's own shape", async () => {
    const user = 123;
    const channels = run("channels-ws.cjs", [server.worlds.channels, tokenOf(user)]);
    const dashboard = run("dashboard-ws.cjs", [server.worlds.dashboard, String(user)], {
      HEARTBEAT_MS: "50",
    });
    const byToken = run("tasks.py", [server.worlds.tasks, "--token", tokenOf(user)]);
    const byCookie = run("tasks.py", [server.worlds.tasks, "--cookie", `access_token=${tokenOf(user)}`]);
    const receipts = run("receipts.py", [server.worlds.receipts]);
    await channels.frames("connected");
    await dashboard.frames("subscribed");
    for (const tasks of [byToken, byCookie]) {
      const [welcome] = await tasks.frames("connection_established");
      assert.deepEqual(welcome, {
        type: "connection_established",
        message: "WebSocket connected successfully",
        user_id: user,
      });
      assert.deepEqual(await tasks.frames("pong"), [{ type: "pong", timestamp: 1763469045123 }]);
    }
    await receipts.printed("Connected");

    const type = "oracle_upload_progress";
    const { recipients } = await server.publish({ type, user_id: user, data: UPLOAD });
    assert.equal(recipients, 4);
    const [enveloped] = await channels.frames(type);
    assert.deepEqual(checked(enveloped, MILLISECONDS), { type, data: UPLOAD });
    assert.deepEqual(checked((await dashboard.frames(type))[0], MILLISECONDS), { type, ...UPLOAD });
    for (const tasks of [byToken, byCookie]) {
      assert.deepEqual(checked((await tasks.frames(type))[0], MICROSECONDS), { type, ...UPLOAD });
      assert.deepEqual(await tasks.printed("602:"), ["602: 2/5 Upload to UCM"]);
    }

    // What ends it comes behind everything that somebody might have got twice.
    const done = {
      transaction_id: 602,
      message: "Upload completed",
      success: true,
      result_path: "/exports/602.zip",
    };
    await server.publish({ type: "oracle_upload_completed", user_id: String(user), data: done });
    for (const script of [channels, dashboard, byToken, byCookie]) {
      await script.printed("oracle_upload_completed");
      assert.equal(script.lines.filter((line) => line.startsWith(`${type} `)).length, 1);
    }
    await server.publish({
      type: "receipt_upload",
      channel: "receipts",
      data: { status: "received", receipt_id: "abc123" },
    });
    await receipts.printed("Receipt");
    assert.equal(receipts.lines.length, 2, "receipts hears of receipts alone");
    const [, json] = receipts.lines[1].split(" → received ");
    const receipt = { type: "receipt_upload", status: "received", receipt_id: "abc123" };
    assert.deepEqual(checked(JSON.parse(json), SECONDS), receipt);
  });

  it("an upload's client without a good token is refused as Channels refuses it, with a status", async () => {
    const script = run("tasks.py", [server.worlds.tasks, "--token", "not-a-token"]);
    const { code, errors } = await script.end();
    assert.equal(code, 1);
    assert.match(errors, /HTTP 403/);
    assert.doesNotMatch(server.log(), /not-a-token/);
  });
});

describe("scripts of the field when fanfare up is restarted", { timeout: 300_000 }, () => {
  for (const [how, close] of [
    ["drained", /^closed 1(001|012) /],
    ["killed", /^closed 1006/],
  ]) {
    it(`each does what its library does by itself, and what comes back misses nothing: ${how}`, async () => {
      const server = await startUp();
      try {
        const once = run("dashboard-ws.cjs", [server.worlds.dashboard, "anna"]);
        const returning = run("dashboard-w3c.cjs", [server.worlds.dashboard, "ben", "queue-3"]);
        const tasks = run("tasks.py", [server.worlds.tasks, "--token", tokenOf(7)]);
        const receipts = run("receipts.py", [server.worlds.receipts]);
        const [first] = await returning.frames("subscribed");
        await once.frames("subscribed");
        await tasks.frames("pong");
        await receipts.printed("Connected");
        const progress = { type: "oracle_upload_progress", user_id: 7, data: UPLOAD };
        await server.publish({ ...progress, retain: { key: "oracle_upload:602", ttl_s: 3600 } });
        await tasks.printed("602:");

        if (how === "drained") assert.equal(await server.drain(), 0);
        else await server.kill();
        for (const script of [once, returning]) assert.match((await script.printed("closed"))[0], close);
        assert.equal((await once.end()).code, 0, "nothing keeps this one alive");
        assert.match((await tasks.printed("closed"))[0], /^closed 10(01|12|06)$/);
        const last = await receipts.end();
        if (how === "drained") assert.equal(last.code, 0, last.errors);
        else assert.match(last.errors, /ConnectionClosedError: no close frame received or sent/);

        // Both are away while something is told to them.
        returning.pause();
        await server.start();
        const [type, data] = DASHBOARD[1];
        assert.equal((await server.publish({ type, data, user_id: "ben" })).recipients, 0);
        returning.resume();
        const [missed] = await returning.frames(type);
        assert.deepEqual(checked(missed, MILLISECONDS), { type, ...data });
        const [, again] = await returning.frames("subscribed", 2);
        assert.deepEqual([again.userId, again.queueId], ["ben", "queue-3"]);
        assert.notEqual(again.connectionId, first.connectionId);
        // The queue's stream was in memory; that is told, once.
        assert.match((await returning.frames("error"))[0].message, /can no longer be told whole/);
        assert.equal((await server.publish({ type: "t", queue_id: "queue-3" })).recipients, 1);
        await returning.frames("t");
        assert.equal(returning.lines.filter((line) => line.startsWith(`${type} `)).length, 1);

        // The upload's watcher has its bar where it was, without asking.
        await tasks.frames("connection_established", 2);
        await tasks.printed("602:", 2);
        const done = { transaction_id: 602, message: "Upload completed", success: true };
        await server.publish({ type: "oracle_upload_completed", user_id: 7, data: done });
        await tasks.frames("oracle_upload_completed");
      } finally {
        await server.stop();
      }
    });
  }
});
