// The real server as a child process, for tests that need one behind the page.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { fileURLToPath } from "node:url";

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));
const PROGRAM = process.env.WEBSOCKET_SERVER ?? `${TARGET}/debug/websocket-server`;

/** Starts a hub on a free port; `url` ends with a slash. */
export async function startHub(environment = {}) {
  const { PATH, HOME } = process.env;
  const child = spawn(PROGRAM, [], {
    env: { PATH, HOME, HOST: "127.0.0.1", PORT: "0", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  const ended = new Promise((resolve, reject) => {
    child.on("exit", (code, signal) => resolve({ code, signal }));
    child.on("error", reject);
  });
  const url = await new Promise((resolve, reject) => {
    child.stdout.on("data", (bytes) => {
      log += bytes;
      const ready = log.match(/listening on (http:\/\/\S+)/);
      if (ready) resolve(`${ready[1].replace(/\/$/, "")}/`);
    });
    child.stderr.on("data", (bytes) => {
      log += bytes;
    });
    ended.then((end) => reject(new Error(`the hub ended (${JSON.stringify(end)}):\n${log}`)), reject);
  });
  return {
    url,
    log: () => log,
    /** Publishes, and gives the answer's JSON; anything but 200 is an error. */
    async publish(publication) {
      const answer = await fetch(`${url}broadcast`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(publication),
      });
      if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
      return answer.json();
    },
    /** Asks it to stop in order; the exit code. */
    async drain() {
      child.kill("SIGTERM");
      return (await ended).code;
    },
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** A token of a user, signed with HS256 and good for an hour. */
export function token(secret, claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ exp: Math.floor(Date.now() / 1000) + 3600, ...claims })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}
