// @vitest-environment node
// What is built: classic scripts that a page of any encoding can take, alone and in any order, and that leave nothing behind but
// their globals.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createContext, Script } from "node:vm";
import { Window } from "happy-dom";
import { afterAll, beforeAll, expect, test } from "vitest";
// The build is no TypeScript.
import { buildScripts, NAMES } from "../build.mjs";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
let directory: string;
const texts = new Map<string, string>();

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "fanfare-compat-"));
  await buildScripts(directory);
  for (const name of NAMES) texts.set(name, readFileSync(join(directory, `${name}.js`), "utf8"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const GLOBALS: Record<string, string> = {
  "websocket-client": "DashboardWebSocketClient",
  "toast-notifications": "showToast",
  "dashboard-websocket-init": "getDashboardWebSocket",
  "notification-service": "NotificationService",
};

test("they are those of the contract, and each offers its global and nothing else", () => {
  expect([...NAMES].sort()).toEqual(Object.keys(GLOBALS).sort());
  for (const [name, offered] of Object.entries(GLOBALS)) {
    const page = new Window({ url: "http://hub.test/" });
    const sandbox: Record<string, unknown> = {
      document: page.document,
      addEventListener: page.addEventListener.bind(page),
      CSSStyleSheet: page.CSSStyleSheet,
      console,
      setTimeout,
      clearTimeout,
      queueMicrotask,
    };
    const before = new Set(Object.keys(sandbox));
    new Script(texts.get(name) ?? "").runInContext(createContext(sandbox));
    expect(Object.keys(sandbox).filter((key) => !before.has(key))).toEqual([offered]);
    expect(typeof sandbox[offered]).toBe("function");
  }
});

test("they are plain ASCII, in the syntax of 2020, readable, and set no code out of text", () => {
  for (const text of texts.values()) {
    expect(text).toMatch(/^[\n\x20-\x7e]*$/);
    expect(text).not.toMatch(/\?\?=|\|\|=|&&=|\bimport\b|\bexport \{|#[a-z]+ ?[=(;]/);
    expect(text).not.toMatch(/\beval\b|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write/);
    expect(text).not.toContain(root);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThan(400);
  }
});
