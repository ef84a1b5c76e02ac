// @vitest-environment node
// What is built: classic scripts that a page of any encoding can take, alone and in any order, and that leave nothing behind but
// their globals.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createContext, Script } from "node:vm";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { Window } from "happy-dom";
import { afterAll, beforeAll, expect, test } from "vitest";
// The build is no TypeScript.
import { buildScripts, NAMES } from "../build.mjs";
import { CLIENT_FILES, copySocketIo, NOTICES } from "../socket-io.mjs";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
let directory: string;
const texts = new Map<string, string>();

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "fanfare-compat-"));
  await buildScripts(directory);
  for (const name of NAMES) texts.set(name, readFileSync(join(directory, `${name}.js`), "utf8"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const GLOBALS: Record<string, string[]> = {
  "websocket-client": ["DashboardWebSocketClient"],
  "toast-notifications": ["showToast"],
  "dashboard-websocket-init": ["getDashboardWebSocket"],
  "notification-service": ["NotificationService"],
  websocket: ["WebSocketClient", "ws"],
  "fanfare-bell": ["FanfareInbox"],
};

test("they are those of the contract, and each offers its globals and nothing else", () => {
  expect([...NAMES].sort()).toEqual(Object.keys(GLOBALS).sort());
  for (const [name, offered] of Object.entries(GLOBALS)) {
    const page = new Window({ url: "http://hub.test/" });
    const sandbox: Record<string, unknown> = {
      document: page.document,
      addEventListener: page.addEventListener.bind(page),
      CSSStyleSheet: page.CSSStyleSheet,
      console,
      URL,
      setTimeout,
      clearTimeout,
      queueMicrotask,
    };
    const before = new Set(Object.keys(sandbox));
    new Script(texts.get(name) ?? "").runInContext(createContext(sandbox));
    expect(Object.keys(sandbox).filter((key) => !before.has(key))).toEqual(offered);
    expect(["function", "object"]).toContain(typeof sandbox[offered[0] ?? ""]);
  }
});

test("they are plain ASCII, in the syntax of 2020, readable, and set no code out of text", () => {
  for (const text of texts.values()) {
    expect(text).toMatch(/^[\n\x20-\x7e]*$/);
    expect(text).not.toMatch(/\?\?=|\|\|=|&&=|\bimport\b|\bexport \{/);
    // No private members: a colour of a style sheet looks like one, but stands behind a space.
    expect(text).not.toMatch(/(?:^ *|\.|static )#[a-z]+ ?[=(;]/m);
    expect(text).not.toMatch(/\beval\b|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write/);
    expect(text).not.toContain(root);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThan(400);
  }
});

test("the Socket.IO client is there as its authors publish it, with its maps and the licences of all that is in it", () => {
  const copied = join(directory, "socket.io");
  copySocketIo(copied);
  const { version } = createRequire(import.meta.url)("socket.io-client/package.json");
  const own = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  expect(own.dependencies["socket.io-client"]).toBe(version);
  const wanted = CLIENT_FILES.flatMap((name: string) => [name, `${name}.br`, `${name}.gz`, `${name}.map`]);
  expect(readdirSync(copied).sort()).toEqual([NOTICES, ...wanted].sort());
  for (const name of CLIENT_FILES) {
    const bytes = readFileSync(join(copied, name));
    expect(bytes.toString()).toContain(`Socket.IO v${version}`);
    expect(bytes.toString()).toContain(`sourceMappingURL=${name}.map`);
    expect(brotliDecompressSync(readFileSync(join(copied, `${name}.br`))).equals(bytes)).toBe(true);
    expect(gunzipSync(readFileSync(join(copied, `${name}.gz`))).equals(bytes)).toBe(true);
  }
  const notices = readFileSync(join(copied, NOTICES), "utf8");
  for (const name of [
    "socket.io-client",
    "engine.io-client",
    "engine.io-parser",
    "socket.io-parser",
    "debug",
  ]) {
    expect(notices).toContain(`## ${name} - `);
  }
  expect(notices.match(/Permission is hereby granted/g)?.length).toBe(notices.match(/^## /gm)?.length);
  expect(notices).not.toContain(root);
});
