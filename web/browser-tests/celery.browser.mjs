// A long upload by a real Celery task, watched in Chromium through a reload: Redis and a worker as a back end has them, `fanfare up`,
// and the page of uploads. Needs redis-server (Debian) and target/python-venv (scripts/python env), and fails without.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { axe, Browser, picture } from "./browser.mjs";
import { register } from "./people.mjs";
import { freePort } from "./ports.mjs";
import { startFanfare } from "./server.mjs";
import { signIn } from "./worlds.mjs";

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));
const PYTHON = `${TARGET}/python-venv/bin/python`;
const TASKS = fileURLToPath(new URL("celery", import.meta.url));

/** A child process with a group of its own, ended with all that it started. */
class Child {
  #child;
  #ended;
  #log = "";

  /** Starts it, and waits until it has said that it is ready. */
  static async start(program, args, environment, ready) {
    const made = new Child();
    const { PATH, HOME } = process.env;
    const child = spawn(program, args, {
      cwd: TASKS,
      env: { PATH, HOME, PYTHONDONTWRITEBYTECODE: "1", ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    made.#child = child;
    made.#ended = new Promise((resolve) => {
      child.on("exit", resolve);
      child.on("error", (error) => {
        made.#log += error.message;
        resolve();
      });
    });
    await new Promise((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (bytes) => {
          made.#log += bytes;
          if (ready.test(made.#log)) resolve();
        });
      }
      made.#ended.then(() => reject(new Error(`${program} did not start:\n${made.#log}`)));
    });
    return made;
  }

  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      process.kill(-this.#child.pid, "SIGKILL");
    }
    await this.#ended;
  }
}

describe("an upload by a Celery task", { timeout: 300_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "fanfare-celery-"));
  const children = [];
  let browser;
  let server;
  let port;
  let environment;

  before(async () => {
    assert.ok(existsSync(PYTHON), `${PYTHON} is missing: scripts/python env`);
    children.push(await startRedis());
    server = await startFanfare();
    environment = { BROKER: `redis://127.0.0.1:${port}/0`, WS_SERVICE_URL: server.url.replace(/\/$/, "") };
    const worker = [
      "-m",
      "celery",
      "-A",
      "uploads",
      "worker",
      "--pool",
      "prefork",
      "-c",
      "2",
      "--loglevel",
      "info",
    ];
    const quiet = ["--without-gossip", "--without-mingle"];
    children.push(await Child.start(PYTHON, [...worker, ...quiet], environment, /ready\./));
    browser = await Browser.launch();
  });
  afterEach(async () => {
    assert.deepEqual(await browser?.reset(), []);
  });
  after(async () => {
    await browser?.close();
    for (const child of children.reverse()) await child.stop();
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Redis on a free port; somebody else may take it between the question and its use, so it is asked for again. */
  async function startRedis() {
    for (let left = 5; ; left -= 1) {
      port = await freePort();
      const options = `--port ${port} --bind 127.0.0.1 --appendonly no --dir ${directory}`.split(" ");
      try {
        return await Child.start(
          "redis-server",
          [...options, "--save", ""],
          {},
          /Ready to accept connections/,
        );
      } catch (error) {
        if (left <= 1) throw error;
      }
    }
  }

  /** Puts an upload into the queue, as a web application does. */
  async function enqueue(user, transaction) {
    const kwargs = JSON.stringify({ user_id: user.id, transaction_id: transaction });
    const { PATH, HOME } = process.env;
    await promisify(execFile)(
      PYTHON,
      ["-m", "celery", "-A", "uploads", "call", "uploads.upload", "--kwargs", kwargs],
      {
        cwd: TASKS,
        env: { PATH, HOME, PYTHONDONTWRITEBYTECODE: "1", ...environment },
      },
    );
  }

  /** Lets the task take its next step; any other word is what it fails with. */
  async function say(transaction, word = "go") {
    const parts = ["RPUSH", `steps:${transaction}`, word];
    const command = parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("");
    const socket = connect(port, "127.0.0.1");
    const answer = await new Promise((resolve, reject) => {
      socket.on("error", reject).once("data", resolve);
      socket.write(`*${parts.length}\r\n${command}`);
    });
    socket.destroy();
    assert.match(String(answer), /^:\d+\r\n$/);
  }

  async function openAs(user) {
    const page = await browser.open(`${server.url}playground/uploads`);
    await signIn(page, user);
    return page;
  }

  const card = (page, id) => page.getByRole("article", { name: `Oracle upload ${id}` });
  const says = (page, id, words) => card(page, id).getByText(words, { exact: true }).waitFor();
  const bar = (page, id) =>
    page.getByRole("progressbar", { name: `Oracle upload ${id}` }).getAttribute("aria-valuetext");

  it("is watched step by step, through a reload in the middle, to its end", async () => {
    const user = await register(server, "worker", "Watches Celery");
    const page = await openAs(user);
    await enqueue(user, 602);
    await says(page, 602, "Started");
    await say(602);
    await says(page, 602, "Step 1 of 5");
    await say(602);
    await says(page, 602, "Step 2 of 5");
    await says(page, 602, "Working on Upload to UCM");
    await picture(page, "celery-before-reload");

    await page.reload();
    await says(page, 602, "Step 2 of 5");
    assert.equal(await bar(page, 602), "Step 2 of 5: Upload to UCM");
    await card(page, 602)
      .getByText(/^From the hub's retained state/)
      .waitFor();
    await picture(page, "celery-after-reload");
    assert.deepEqual(await axe(page), []);

    // The task goes on while nobody looks.
    await page.goto("about:blank");
    const other = await openAs(user);
    await say(602);
    await says(other, 602, "Step 3 of 5");
    await page.goto(`${server.url}playground/uploads`);
    await says(page, 602, "Step 3 of 5");
    for (const words of ["Step 4 of 5", "Step 5 of 5"]) {
      await say(602);
      await says(page, 602, words);
    }
    await say(602);
    for (const one of [page, other]) {
      await says(one, 602, "Completed");
      await one.getByText("/exports/602.zip", { exact: true }).waitFor();
    }
    await picture(page, "celery-completed");
    await page.reload();
    await says(page, 602, "Completed");
  });

  it("fails with the exception's text, at the step where it was", async () => {
    const user = await register(server, "worker", "Sees It Fail");
    const page = await openAs(user);
    await enqueue(user, 7);
    await says(page, 7, "Started");
    await say(7);
    await says(page, 7, "Step 1 of 5");
    await say(7, "ORA-00001: unique constraint violated");
    await says(page, 7, "Failed");
    await card(page, 7)
      .getByText(/ORA-00001: unique constraint violated/)
      .waitFor();
    await page.reload();
    await says(page, 7, "Failed");
    await picture(page, "celery-failed");
  });

  it("of two uploads at once each has its bar, and another user sees neither", async () => {
    const [user, other] = [
      await register(server, "worker", "Two At Once"),
      await register(server, "worker", "Looks On"),
    ];
    const [page, elsewhere] = [await openAs(user), await openAs(other)];
    await Promise.all([enqueue(user, 21), enqueue(user, 22)]);
    await Promise.all([says(page, 21, "Started"), says(page, 22, "Started")]);
    await say(22);
    await says(page, 22, "Step 1 of 5");
    assert.equal(await bar(page, 21), "Started");
    await say(21);
    await say(21);
    await says(page, 21, "Step 2 of 5");
    await page.reload();
    await says(page, 21, "Step 2 of 5");
    await says(page, 22, "Step 1 of 5");
    await picture(page, "celery-two");
    assert.equal(await elsewhere.getByRole("article").count(), 0);
    for (const id of [21, 22]) await say(id, "stopped by the test");
    for (const id of [21, 22]) await says(page, id, "Failed");
  });
});
