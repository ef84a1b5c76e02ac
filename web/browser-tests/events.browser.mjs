// Server-sent events as a browser's own EventSource has them: it comes back by itself with the id of its last message, and
// stops where it is told to.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Browser } from "./browser.mjs";
import { eventually } from "./paychain.mjs";
import { startFanfare, startHub, token } from "./server.mjs";

const SECRET = "a-secret-of-the-browser-tests-of-32-bytes";

describe("EventSource", { timeout: 300_000, concurrency: 3 }, () => {
  let browser;

  before(async () => {
    browser = await Browser.launch();
  });
  after(async () => {
    await browser?.close();
  });

  /** A page of the server's origin that keeps what its EventSource gets in `window.got`. */
  async function follow(server, query) {
    const page = await (await browser.context()).newPage();
    await page.goto(`${server.url}healthz`);
    await page.evaluate((query) => {
      window.got = [];
      window.ends = [];
      window.source = new EventSource(`/events${query}`);
      window.source.onmessage = (message) => window.got.push(JSON.parse(message.data));
      window.source.addEventListener("close", (message) => window.ends.push(JSON.parse(message.data).code));
    }, query);
    return {
      numbers: () =>
        page.evaluate(() => window.got.filter((event) => event.type === "n").map((event) => event.data)),
      answers: () => page.evaluate(() => window.got.filter((event) => event.type === "subscribed")),
      state: () => page.evaluate(() => [window.source.readyState, window.ends]),
    };
  }

  const events = (from, to) =>
    Array.from({ length: to - from }, (_, n) => ({ type: "n", channel: "jobs", data: from + n }));
  const upTo = (end) => Array.from({ length: end }, (_, n) => n);

  it("comes through a kill and a drain of the server with each event once, in order", async () => {
    const server = await startFanfare();
    try {
      const page = await follow(server, "?channels=jobs");
      await eventually(async () => assert.equal((await page.answers()).length, 1));
      await server.publishAll(events(0, 20));
      await eventually(async () => assert.deepEqual(await page.numbers(), upTo(20)));
      await server.publishAll(events(20, 40));
      await server.kill();
      await server.start();
      await server.publishAll(events(40, 60));
      await eventually(async () => assert.deepEqual(await page.numbers(), upTo(60)), 20_000);
      assert.equal(await server.drain(), 0);
      await server.start();
      await server.publishAll(events(60, 80));
      await eventually(async () => assert.deepEqual(await page.numbers(), upTo(80)), 20_000);
      assert.deepEqual((await page.state())[1], [1001]);
      for (const answer of (await page.answers()).slice(1)) {
        assert.equal(answer.data.positions.jobs.recovered, true);
      }
    } finally {
      await server.stop();
    }
  });

  it("stops after an operator has disconnected its user, and where its token is bad", async () => {
    const server = await startHub({ JWT_SECRET: SECRET });
    try {
      const page = await follow(server, `?channels=jobs&token=${token(SECRET, { user_id: 7 })}`);
      const refused = await follow(server, "?token=bad");
      await eventually(async () => assert.equal((await page.answers()).length, 1));
      const answer = await fetch(`${server.url}users/7/disconnect`, { method: "POST" });
      assert.deepEqual(await answer.json(), { disconnected: 1 });
      await eventually(async () => assert.deepEqual(await page.state(), [2, [4012]]));
      await eventually(async () => assert.deepEqual(await refused.state(), [2, []]));
    } finally {
      await server.stop();
    }
  });

  it("reads with a ticket, which is no good a second time", async () => {
    const server = await startHub({ JWT_SECRET: SECRET });
    try {
      const authorization = `Bearer ${token(SECRET, { user_id: 7 })}`;
      const issued = await fetch(`${server.url}events/ticket`, {
        method: "POST",
        headers: { authorization },
      });
      const { ticket } = await issued.json();
      const page = await follow(server, `?ticket=${ticket}`);
      await eventually(async () => {
        const [answer] = await page.answers();
        assert.ok(answer?.data.positions["user:7"]);
      });
      const again = await follow(server, `?ticket=${ticket}`);
      await eventually(async () => assert.deepEqual(await again.state(), [2, []]));
      assert.equal((await server.stats()).total, 1);
    } finally {
      await server.stop();
    }
  });
});
