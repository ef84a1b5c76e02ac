// @vitest-environment node
// The README names every option, and every event that is no type of the server's.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const readme = read("../README.md");

/** What stands in backquotes in the first column of a section's table. */
function column(section: string, table: number): string[] {
  const text = readme.split(`\n## \`${section}\`\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = text.split(/\n\|---.*\n/)[table + 1]?.split("\n\n")[0] ?? "";
  return rows
    .split("\n")
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)/g)].map(([, name = ""]) => name))
    .sort();
}

function options(file: string, name: string): string[] {
  const text = read(file).split(`interface ${name} {`)[1]?.split("\n}")[0] ?? "";
  const all = [...text.matchAll(/^ {2}(\w+)\?:/gm)].map(([, option = ""]) => option);
  return all.filter((option) => option !== "WebSocket" && option !== "environment").sort();
}

test("the dashboard's options, members and events", () => {
  expect(column("websocket-client.js", 0)).toEqual(options("../src/dashboard-client.ts", "DashboardOptions"));
  expect(column("websocket-client.js", 1)).toEqual([
    "connect",
    "disconnect",
    "getState",
    "off",
    "on",
    "queueId",
    "userId",
  ]);
  expect(column("websocket-client.js", 2)).toEqual(["connected", "disconnected", "error", "message"]);
});

test("those of the tasks", () => {
  expect(column("notification-service.js", 0)).toEqual(
    options("../src/task-notifications.ts", "NotificationServiceOptions"),
  );
  expect(column("notification-service.js", 1)).toEqual([
    "connected",
    "disconnected",
    "message",
    "uploadCompleted",
    "uploadFailed",
    "uploadProgress",
    "uploadStarted",
  ]);
});

test("those of the namespaces", () => {
  expect(column("websocket.js", 0)).toEqual(
    [
      "connect",
      "disconnect",
      "emit",
      "isConnected",
      "markRead",
      "off",
      "on",
      "sendMessage",
      "setTyping",
      "sockets",
    ].sort(),
  );
  expect(column("websocket.js", 1)).toEqual(options("../src/social-client.ts", "WebSocketClientOptions"));
});
