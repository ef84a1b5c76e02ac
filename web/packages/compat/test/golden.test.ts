// @vitest-environment node
// The frames of the golden file, as the server writes them, come out of the clients as they are, and have the toasts that people read.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { FlatFrame } from "../src/flat-frames.js";
import { NotificationService } from "../src/task-notifications.js";
import { TOAST_TYPES, toastText } from "../src/toast-texts.js";
import { connected, FakeEnvironment, fakeSockets, settle } from "./scene.js";

interface Golden {
  readonly dialect: string;
  readonly publication: { readonly type: string };
  readonly frame: string;
}

const path = new URL("../../../../crates/protocol/fixtures/flat.json", import.meta.url);
const golden = JSON.parse(readFileSync(path, "utf8")) as Golden[];
const of = (dialect: string) => golden.filter((one) => one.dialect === dialect);

test("each of the dashboard's reaches the handlers of its type and of message, member by member", async () => {
  expect(of("dashboard").length).toBeGreaterThan(5);
  const s = await connected();
  const heard: FlatFrame[] = [];
  const types = new Set(of("dashboard").map(({ publication }) => publication.type));
  for (const type of types) s.client.on(type, (frame) => heard.push(frame));
  for (const { frame } of of("dashboard")) await s.socket.say(frame);
  const expected = of("dashboard").map(({ frame }) => JSON.parse(frame) as FlatFrame);
  expect(heard).toEqual(expected);
  expect(s.of("message").slice(1)).toEqual(expected);
});

test("the same in one batch", async () => {
  const s = await connected();
  const messages = of("dashboard").map(({ frame }) => frame);
  await s.socket.say(
    `{"type":"batch_update","messages":[${messages.join()}],"timestamp":"2025-11-18T12:30:45.123Z"}`,
  );
  expect(s.of("message").slice(1)).toEqual(messages.map((text) => JSON.parse(text)));
});

test("each that is not progress has a toast of text", () => {
  for (const { publication, frame } of of("dashboard")) {
    const toast = toastText(JSON.parse(frame) as FlatFrame);
    if (publication.type.endsWith("_progress")) expect(toast).toBeUndefined();
    else if (TOAST_TYPES.includes(publication.type)) expect(toast?.title).not.toBe("");
    expect(JSON.stringify(toast) ?? "").not.toMatch(/undefined|null|NaN|\[object/);
  }
});

test("each of the tasks' reaches its callback", async () => {
  expect(of("tasks").length).toBeGreaterThan(3);
  const { sockets, WebSocket } = fakeSockets();
  const service = new NotificationService({
    url: "ws://hub.test/ws/notifications/",
    WebSocket,
    environment: new FakeEnvironment(),
  });
  const heard: FlatFrame[] = [];
  for (const name of ["uploadStarted", "uploadProgress", "uploadCompleted", "uploadFailed"]) {
    service.on(name, (frame: FlatFrame) => heard.push(frame));
  }
  service.connect();
  await settle();
  sockets[0]?.accept();
  for (const { frame } of of("tasks")) await sockets[0]?.say(frame);
  expect(heard).toEqual(of("tasks").map(({ frame }) => JSON.parse(frame)));
  service.disconnect();
});
