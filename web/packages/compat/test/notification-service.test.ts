// Progress of tasks as pages get it, and what users are told beside the page.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { FlatFrame } from "../src/flat-frames.js";
import { NotificationService, type NotificationServiceOptions } from "../src/task-notifications.js";
import { FakeEnvironment, type FakeSocket, fakeSockets, say, settle } from "./scene.js";

beforeEach(() => localStorage.clear());
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const NAMES = [
  "connected",
  "disconnected",
  "uploadStarted",
  "uploadProgress",
  "uploadCompleted",
  "uploadFailed",
];

function scene(options: NotificationServiceOptions = {}) {
  const env = new FakeEnvironment();
  const { sockets, WebSocket } = fakeSockets();
  const service = new NotificationService({
    url: "ws://hub.test/ws/notifications/",
    environment: env,
    WebSocket,
    ...options,
  });
  const told: [string, FlatFrame][] = [];
  for (const name of [...NAMES, "message"]) service.on(name, (frame: FlatFrame) => told.push([name, frame]));
  const names = () => told.map(([name]) => name).filter((name) => name !== "message");
  const last = (): FakeSocket => {
    const socket = sockets.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  };
  return { service, env, sockets, told, names, last };
}

async function greeted(options?: NotificationServiceOptions) {
  const s = scene(options);
  s.service.connect();
  await settle();
  await greet(s.last());
  return s;
}

async function greet(socket: FakeSocket): Promise<void> {
  socket.accept();
  await say(socket, {
    type: "connection_established",
    message: "WebSocket connected successfully",
    user_id: 123,
  });
}

const event = (type: string, members: object = {}) => ({
  type,
  transaction_id: 602,
  message: "Upload",
  timestamp: "2025-11-18T12:30:45.123456",
  ...members,
});

describe("the connection", () => {
  test("the token goes into the query, and connected comes with the server's greeting", async () => {
    const s = scene({ token: "a.b+c=" });
    s.service.connect();
    await settle();
    expect(s.last().url).toBe("ws://hub.test/ws/notifications/?token=a.b%2Bc%3D");
    s.last().accept();
    expect(s.names()).toEqual([]);
    await greet(s.last());
    expect(s.told).toEqual([
      [
        "connected",
        { type: "connection_established", message: "WebSocket connected successfully", user_id: 123 },
      ],
    ]);
    expect(s.service.isConnected).toBe(true);
  });

  test("a query that is there already is kept, and without a token nothing is added", async () => {
    const s = scene({ url: "ws://hub.test/ws/notifications?a=1#part", token: "t" });
    s.service.connect();
    await settle();
    expect(s.last().url).toBe("ws://hub.test/ws/notifications?a=1&token=t");
    const plain = scene({ token: null });
    plain.service.connect();
    await settle();
    expect(plain.last().url).toBe("ws://hub.test/ws/notifications/");
  });

  test("without an address it is the page's own host", async () => {
    vi.stubGlobal("location", { href: "https://erp.test/upload/", protocol: "https:" });
    const s = scene({ url: undefined as never, token: "t" });
    s.service.connect();
    await settle();
    expect(s.last().url).toBe("wss://erp.test/ws/notifications/?token=t");
  });

  test("a function is asked for a token before each attempt; if it fails, it is asked again, and its words stay hidden", async () => {
    const tokens = [async () => "first", () => Promise.reject(new Error("secret")), () => "third"];
    const s = scene({ token: () => (tokens.shift() as () => Promise<string>)() });
    s.service.connect();
    await settle();
    await greet(s.last());
    await s.last().end();
    await s.env.pass(6_000);
    expect(s.sockets).toHaveLength(1);
    expect(JSON.stringify(s.told)).not.toContain("secret");
    await s.env.pass(6_000);
    expect(s.sockets.map(({ url }) => url.split("=")[1])).toEqual(["first", "third"]);
  });

  test("it comes back after 5 s, time and again, and tells of each loss", async () => {
    const s = await greeted();
    for (let loss = 1; loss <= 5; loss++) {
      await s.last().end();
      await s.env.pass(4_999);
      expect(s.sockets).toHaveLength(loss);
      await s.env.pass(1_001);
      expect(s.sockets).toHaveLength(loss + 1);
    }
    expect(s.names().filter((name) => name === "disconnected")).toHaveLength(5);
    await greet(s.last());
    expect(s.service.isConnected).toBe(true);
  });

  test("a time that the server names is kept, and 4001 ends it", async () => {
    const s = await greeted();
    await s.last().end(1001, "draining; reconnect in 800 ms");
    await s.env.pass(800);
    expect(s.sockets).toHaveLength(2);
    await greet(s.last());
    await s.last().end(4001, "Unauthorized");
    await s.env.pass(3_600_000);
    expect(s.sockets).toHaveLength(2);
    expect(s.told.at(-1)).toMatchObject(["disconnected", { code: 4001, willReconnect: false }]);
  });

  test("it pings in a silence, and gives up a server that does not answer", async () => {
    const s = await greeted();
    await s.env.pass(25_000);
    const ping = s.last().frames.at(-1);
    expect(ping).toEqual({ type: "ping", timestamp: s.env.now() });
    await say(s.last(), { type: "pong", timestamp: ping?.timestamp });
    expect(s.names()).toEqual(["connected"]);
    await s.env.pass(33_000);
    expect(s.told.at(-1)).toMatchObject(["disconnected", { reason: "silent" }]);
  });

  test("disconnect() stays closed", async () => {
    const s = await greeted();
    s.service.disconnect();
    s.service.disconnect();
    await s.env.pass(3_600_000);
    expect(s.sockets).toHaveLength(1);
    expect(s.names()).toEqual(["connected", "disconnected"]);
    expect(s.env.timers.size).toBe(0);
    s.service.connect();
    await settle();
    expect(s.sockets).toHaveLength(2);
  });
});

test("each type of event has its callback; one that throws harms no other; all are messages", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const s = await greeted();
  s.service.on("uploadProgress", () => {
    throw new Error("broken page");
  });
  const types = ["started", "progress", "completed", "failed"].map((how) => `oracle_upload_${how}`);
  for (const type of [...types, "export_started"]) await say(s.last(), event(type));
  expect(s.names().slice(1)).toEqual(["uploadStarted", "uploadProgress", "uploadCompleted", "uploadFailed"]);
  const messages = s.told.filter(([name]) => name === "message").map(([, { type }]) => type);
  expect(messages).toEqual([...types, "export_started"]);
});

describe("beside the page", () => {
  function desktop(permission: NotificationPermission, answer: NotificationPermission = "granted") {
    const shown: { title: string; body: string | undefined; tag: string | undefined }[] = [];
    class Fake {
      static permission = permission;
      static asked = 0;
      static async requestPermission(): Promise<NotificationPermission> {
        Fake.asked++;
        Fake.permission = answer;
        return answer;
      }
      constructor(title: string, { body, tag }: NotificationOptions) {
        shown.push({ title, body, tag });
      }
    }
    vi.stubGlobal("Notification", Fake);
    return { shown, Fake };
  }

  const away = () => vi.spyOn(document, "hasFocus").mockReturnValue(false);

  test("nothing happens before the user has chosen it, and nobody is asked", async () => {
    away();
    const { shown, Fake } = desktop("granted");
    const vibrate = vi.fn();
    Object.assign(navigator, { vibrate });
    const s = await greeted();
    expect(s.service.getPreferences()).toEqual({ desktop: false, sound: false, vibration: false });
    await say(s.last(), event("oracle_upload_completed"));
    expect([shown.length, Fake.asked, vibrate.mock.calls.length]).toEqual([0, 0, 0]);
  });

  test("a notification tells of the end once, in whatever tab and after whatever reload", async () => {
    away();
    const { shown, Fake } = desktop("default");
    const s = await greeted();
    expect(await s.service.setPreferences({ desktop: true })).toMatchObject({ desktop: true });
    expect(Fake.asked).toBe(1);
    await say(s.last(), event("oracle_upload_progress"));
    await say(s.last(), event("oracle_upload_failed", { error: "ORA-00001" }));
    const reloaded = await greeted();
    expect(reloaded.service.getPreferences()).toMatchObject({ desktop: true });
    await say(reloaded.last(), event("oracle_upload_failed", { error: "ORA-00001" }));
    await say(reloaded.last(), event("oracle_upload_completed", { transaction_id: 603 }));
    expect(shown).toEqual([
      { title: "Oracle upload failed", body: "Upload: ORA-00001", tag: "oracle_upload_failed 602" },
      { title: "Oracle upload completed", body: "Upload", tag: "oracle_upload_completed 603" },
    ]);
  });

  test("who looks at the page needs no notification", async () => {
    const { shown } = desktop("granted");
    vi.spyOn(document, "hasFocus").mockReturnValue(true);
    const s = await greeted();
    await s.service.setPreferences({ desktop: true });
    await say(s.last(), event("oracle_upload_completed"));
    expect(shown).toEqual([]);
  });

  test("it stays off where the browser refuses, and where nobody has clicked nobody is asked", async () => {
    const { Fake } = desktop("default", "denied");
    const s = await greeted();
    Object.assign(navigator, { userActivation: { isActive: false } });
    expect(await s.service.setPreferences({ desktop: true })).toMatchObject({ desktop: false });
    expect(Fake.asked).toBe(0);
    Object.assign(navigator, { userActivation: { isActive: true } });
    expect(await s.service.setPreferences({ desktop: true })).toMatchObject({ desktop: false });
    expect(Fake.asked).toBe(1);
  });

  test("vibration and sound are each chosen by themselves, and a device without them does nothing", async () => {
    const vibrate = vi.fn();
    Object.assign(navigator, { vibrate });
    const s = await greeted();
    expect(await s.service.setPreferences({ vibration: true, sound: true })).toEqual({
      desktop: false,
      sound: true,
      vibration: true,
    });
    await say(s.last(), event("oracle_upload_completed"));
    expect(vibrate.mock.calls).toEqual([[[200]]]);
    await s.service.setPreferences({ vibration: false });
    await say(s.last(), event("oracle_upload_completed", { transaction_id: 9 }));
    expect(vibrate).toHaveBeenCalledOnce();
  });

  test("what somebody else wrote into the storage is no choice", async () => {
    const s = await greeted();
    for (const text of ["", "{", "null", "7", '{"desktop":"yes","sound":1}']) {
      localStorage.setItem("fanfare_notification_preferences", text);
      expect(s.service.getPreferences()).toEqual({ desktop: false, sound: false, vibration: false });
    }
  });
});
