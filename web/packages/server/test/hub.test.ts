// With the real hub: what is published is seen on a WebSocket. Needs target/debug/websocket-server, or WEBSOCKET_SERVER.

import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createFanfare, type Fanfare, type FanfareError } from "../src/index.js";

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../../../target", import.meta.url));
const PROGRAM = process.env.WEBSOCKET_SERVER ?? `${TARGET}/debug/websocket-server`;
const SECRET = "a secret of at least thirty-two bytes";
const KEY = "publisher-key-1";

let hub: ChildProcess;
let url: string;
let fanfare: Fanfare;
const sockets: WebSocket[] = [];

beforeAll(async () => {
  if (!existsSync(PROGRAM)) throw new Error("There is no hub to test with: cargo build -p websocket-server");
  hub = spawn(PROGRAM, [], {
    env: {
      PATH: process.env.PATH,
      HOST: "127.0.0.1",
      PORT: "0",
      JWT_SECRET: SECRET,
      FANFARE_API_KEYS: `back-end:${KEY},jobs-only:publisher-key-2:jobs`,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  url = await new Promise<string>((resolve, reject) => {
    const read = (bytes: Buffer) => {
      log += bytes;
      const ready = /listening on (http:\/\/\S+)/.exec(log);
      if (ready?.[1]) resolve(ready[1]);
    };
    hub.stdout?.on("data", read);
    hub.stderr?.on("data", read);
    hub.on("exit", () => reject(new Error(`the hub ended:\n${log}`)));
  });
  fanfare = createFanfare({ url, apiKey: KEY });
}, 30_000);

afterAll(async () => {
  for (const socket of sockets) socket.terminate();
  if (hub && hub.exitCode === null) {
    const ended = once(hub, "exit");
    hub.kill("SIGKILL");
    await ended;
  }
});

function token(userId: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { user_id: userId, exp: Math.floor(Date.now() / 1000) + 3600 };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

/** A client on a path; `next()` is the next frame that it got. */
function client(path: string) {
  const socket = new WebSocket(`${url.replace("http", "ws").replace(/\/$/, "")}${path}`);
  sockets.push(socket);
  const frames: Record<string, unknown>[] = [];
  const waiting: ((frame: Record<string, unknown>) => void)[] = [];
  socket.on("message", (text) => {
    const frame = JSON.parse(String(text)) as Record<string, unknown>;
    const taker = waiting.shift();
    if (taker) taker(frame);
    else frames.push(frame);
  });
  const next = () =>
    new Promise<Record<string, unknown>>((resolve) => {
      const frame = frames.shift();
      if (frame) resolve(frame);
      else waiting.push(resolve);
    });
  return { socket, next };
}

/** A client on `/ws` that follows these channels. */
async function listen(query: string, ...channels: string[]) {
  const { socket, next } = client(`/ws${query}`);
  expect(await next()).toMatchObject({ type: "connected" });
  if (channels.length > 0) {
    socket.send(JSON.stringify({ type: "subscribe", channels }));
    expect(await next()).toMatchObject({ type: "subscribed" });
  }
  return { next };
}

test("what is broadcast to a user arrives there, and the hub's answer says at how many connections", async () => {
  const client = await listen(`?token=${token(7)}`);
  const answer = await fanfare.broadcastImageProcessingUpdate(7, {
    type: "image_processed",
    documentId: "17",
    signedUrl: "https://files.example/17?a=1&b=ü",
  });
  expect(answer).toEqual({ success: true, id: expect.stringMatching(/^[0-9a-f-]{36}$/), recipients: 1 });
  expect(await client.next()).toMatchObject({
    type: "image_processed",
    data: { documentId: "17", signedUrl: "https://files.example/17?a=1&b=ü" },
  });
});

test("a transcription's update reaches who follows its queue, and nobody else", async () => {
  const [follower, other] = [await listen("", "queue:q-1"), await listen("", "queue:q-2")];
  const update = { type: "transcription_complete", transcriptionId: "t-3", duration: 61.5, wordCount: 1200 };
  expect(await fanfare.broadcastTranscriptionUpdate("q-1", update)).toMatchObject({ recipients: 1 });
  expect(await follower.next()).toMatchObject({ type: "transcription_complete", data: { wordCount: 1200 } });
  await fanfare.broadcastTranscriptionUpdate("q-2", { type: "transcription_queued" });
  expect(await other.next()).toMatchObject({ type: "transcription_queued" });
});

test("on the dashboard it is flat, and without markup where that was asked for", async () => {
  const { socket, next } = client(`/?token=${token(10)}`);
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "subscribe", userId: "10", queueId: "q-10" }));
  expect(await next()).toMatchObject({ type: "subscribed", userId: "10", queueId: "q-10" });
  await fanfare.broadcastPDFGenerationUpdate(10, { type: "pdf_generated", reportId: 9, pdfUrl: "/9.pdf" });
  expect(await next()).toEqual({
    type: "pdf_generated",
    reportId: 9,
    pdfUrl: "/9.pdf",
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  });
  await fanfare.broadcastTranscriptionUpdate("q-10", {
    type: "transcription_failed",
    error: "<b>No</b> speech",
  });
  expect(await next()).toMatchObject({ type: "transcription_failed", error: "<b>No</b> speech" });
  const data = { error: "<script>alert(1)</script><b>No</b> speech" };
  await fanfare.publish({ type: "pdf_generation_failed", user_id: 10, data, sanitize: true });
  expect(await next()).toMatchObject({ type: "pdf_generation_failed", error: "No speech" });
});

test("calls that nobody waited for arrive in the order in which they were made", async () => {
  const client = await listen(`?token=${token(8)}`);
  const calls = [];
  for (let step = 0; step < 50; step++) {
    calls.push(fanfare.broadcastStatusUpdate(step % 2 ? 8 : "8", { type: "status_update", step }));
  }
  const steps = [];
  for (let step = 0; step < 50; step++) steps.push(((await client.next()).data as { step: number }).step);
  expect(steps).toEqual(steps.map((_, at) => at));
  await Promise.all(calls);
});

test("a repeated idempotency key gets the first answer and sends nothing", async () => {
  const client = await listen(`?token=${token(9)}`);
  const call = (n: number) =>
    fanfare.publish({ type: "once", data: { n }, user_id: 9 }, { idempotencyKey: "job 9" });
  expect(await call(1)).toEqual(await call(1));
  await fanfare.broadcastToUser(9, { type: "after" });
  expect(await client.next()).toMatchObject({ type: "once" });
  expect(await client.next()).toMatchObject({ type: "after" });
});

test("a batch is answered one by one, the bad among the good", async () => {
  const answers = await fanfare.publishBatch([
    { type: "a", channel: "jobs" },
    { type: "b", channel: "not a channel" },
    { type: "c", user_id: 7 },
  ]);
  expect(answers).toMatchObject([{ success: true }, { success: false, status: 422 }, { success: true }]);
});

test("what the hub refuses is an error with its code, and never with the key", async () => {
  const refused = async (apiKey: string, channel = "payments") => {
    const error = await createFanfare({ url, apiKey })
      .publish({ type: "t", channel })
      .catch((cause: FanfareError) => cause);
    expect(String((error as FanfareError).stack)).not.toContain(apiKey);
    return error;
  };
  expect(await refused("wrong-key-entirely")).toMatchObject({ code: "unauthorized", attempts: 1 });
  expect(await refused("publisher-key-2")).toMatchObject({ code: "unauthorized", status: 403, attempts: 1 });
  expect(await refused(KEY, "not a channel")).toMatchObject({ code: "invalid", status: 422, attempts: 1 });
  const large = fanfare.broadcastToUser(7, { type: "t", text: "x".repeat(1_100_000) });
  await expect(large).rejects.toMatchObject({ code: "invalid", status: 413 });
});
