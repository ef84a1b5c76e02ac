// Pages of the social world as the field has them, in Chromium against `fanfare up`: with a Socket.IO client of 4.5.4 as a file beside
// them, and with /js/websocket.js of the hub, from the hub's origin, from another one, and opened from a file. Not here: the demo page
// (../browser-tests/social.browser.mjs), the script by itself (../packages/compat).

import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { openPages } from "../browser-tests/bare-pages.mjs";
import { Browser } from "../browser-tests/browser.mjs";
import { startUp, tokenOf } from "./stage.mjs";

const CLIENT = join(
  createRequire(import.meta.url).resolve("socket.io-client-4.5.4/package.json"),
  "../dist/socket.io.js",
);
const PAGE = fileURLToPath(new URL("social.html", import.meta.url));
const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'";
const ALL = "sns orders chat notifications";

/** A page that uses the hub's script, and writes down what it is told. */
const HOST = (
  hub,
  before = "",
) => `<!doctype html><html><head><meta charset="utf-8"><title>Host</title>${before}
  <script src="${hub}js/websocket.js"></script><script src="host.js"></script></head><body></body></html>`;
const HOST_SCRIPT = `
  globalThis.diary = [];
  ws.on("sns", "post_liked", (data) => diary.push(["sns", data]));
  ws.on("orders", "order_updated", (data) => diary.push(["orders", data]));
  ws.on("notifications", "notification", ({ title }) => diary.push(["notifications", title]));
  ws.on("chat", "message_received", ({ message }) => diary.push(["chat", message]));`;

describe("pages of the social world, against fanfare up", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let elsewhere;
  let folder;
  let places;
  let users = 1_000;

  before(async () => {
    browser = await Browser.launch(["--host-resolver-rules=MAP stranger.example 127.0.0.1"]);
    server = await startUp();
    folder = mkdtempSync(join(tmpdir(), "fanfare-social-"));
    copyFileSync(PAGE, join(folder, "social.html"));
    copyFileSync(CLIENT, join(folder, "socket.io.js"));
    writeFileSync(join(folder, "host.html"), HOST(server.url));
    writeFileSync(join(folder, "host-own.html"), HOST(server.url, '<script src="socket.io.js"></script>'));
    writeFileSync(join(folder, "host.js"), HOST_SCRIPT);
    // Any web server: it gives these files, and knows nothing of the hub.
    elsewhere = createServer((asked, answer) => {
      const name = new URL(asked.url, "http://any").pathname.slice(1);
      if (!/^[\w.-]+\.(html|js)$/.test(name)) return answer.writeHead(204).end();
      const type = name.endsWith("html") ? "text/html" : "text/javascript";
      answer.writeHead(200, { "content-type": type }).end(readFileSync(join(folder, name)));
    });
    await new Promise((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    const { port } = elsewhere.address();
    places = {
      "a file": (name) => pathToFileURL(join(folder, name)).href,
      "another port": (name) => `http://127.0.0.1:${port}/${name}`,
      "another port of localhost": (name) => `http://localhost:${port}/${name}`,
      "a stranger's site": (name) => `http://stranger.example:${port}/${name}`,
    };
  });
  afterEach(async () => {
    const complaints = await browser.reset();
    // What Chromium says of a stranger's page that is refused is what that test is about.
    assert.deepEqual(
      complaints.filter((line) => !/CORS policy|net::ERR_FAILED/.test(line)),
      [],
    );
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    elsewhere?.closeAllConnections();
    elsewhere?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const newUser = () => {
    users += 1;
    return users;
  };
  const lines = (page) => page.locator("li").allTextContents();
  const hub = () => server.url.replace(/\/$/, "");
  const status = (page, words) =>
    page.waitForFunction((wanted) => document.getElementById("status").textContent === wanted, words);
  const logged = (page, words) => page.getByText(words, { exact: true }).waitFor();

  for (const [place, how] of [
    ["another port", ""],
    ["another port of localhost", ""],
    ["a file", "&websocket"],
  ]) {
    it(`a page with a client of 4.5.4 gets what is its user's in each namespace, and sends: from ${place}${how}`, async () => {
      const [user, other] = [newUser(), newUser()];
      const open = (id) => browser.open(`${places[place]("social.html")}?${hub()}${how}#${tokenOf(id)}`);
      const [page, second] = [await open(user), await open(other)];
      await status(page, ALL);
      await status(second, ALL);
      for (const event of [
        { type: "post_liked", data: { post_id: "<b>1</b>" }, user_id: user },
        { type: "order_updated", data: { order_id: 2, status: "packed" }, user_id: user },
        { type: "notification", data: { title: "Payout" }, user_id: user },
        { type: "post_liked", data: { post_id: 3 } },
      ]) {
        await server.publish(event);
      }
      await logged(page, "liked 3");
      await logged(page, "notification Payout string");
      await page.evaluate((to) => send(to, "hi <i>there</i>"), other);
      await logged(second, `${user}: hi <i>there</i>`);
      await logged(page, "sent true");
      assert.deepEqual((await lines(page)).sort(), [
        "liked 3",
        "liked <b>1</b>",
        "notification Payout string",
        "order 2 packed",
        "sent true",
      ]);
      assert.deepEqual((await lines(second)).sort(), [`${user}: hi <i>there</i>`, "liked 3"]);
    });
  }

  it("a page without a good token is told so in each namespace, and a stranger's site gets nowhere", async () => {
    const page = await browser.open(`${places["another port"]("social.html")}?${hub()}#bad`);
    for (const name of ALL.split(" ")) await logged(page, `${name}: Unauthorized`);
    for (const how of ["", "&websocket"]) {
      const stranger = await browser.open(
        `${places["a stranger's site"]("social.html")}?${hub()}${how}#${tokenOf(newUser())}`,
      );
      await stranger.waitForFunction(
        (words) => document.title === words,
        how ? "websocket error" : "xhr poll error",
      );
      assert.deepEqual(await lines(stranger), []);
    }
    assert.doesNotMatch(server.log(), new RegExp(tokenOf(1).split(".")[0]));
  });

  it("a page with a client of 4.5.4 comes back by itself when everything was killed", async () => {
    const user = newUser();
    const page = await browser.open(`${places["another port"]("social.html")}?${hub()}#${tokenOf(user)}`);
    await status(page, ALL);
    await server.kill();
    await status(page, "");
    await server.start();
    await status(page, ALL);
    await server.publish({ type: "order_updated", data: { order_id: 9, status: "late" }, user_id: user });
    await logged(page, "order 9 late");
  });

  const connected = (page) =>
    page.waitForFunction(
      () => Object.values(ws.sockets).length === 4 && Object.values(ws.sockets).every((one) => one.connected),
    );

  /** All that a page of the hub's script does, from its address to what was told. */
  async function worksAt(address, { client, transport = "websocket" }) {
    const user = newUser();
    const context = await browser.context();
    await context.addInitScript((token) => {
      // The empty page before has no storage.
      if (location.protocol !== "about:") localStorage.setItem("auth_token", token);
    }, tokenOf(user));
    const asked = [];
    context.on("request", (request) => asked.push(request.url()));
    const page = await context.newPage();
    await page.goto(address);
    await connected(page);
    assert.equal(
      asked.some((url) => url.endsWith("/socket.io/socket.io.min.js")),
      client === "the hub's",
    );
    await page.waitForFunction((wanted) => ws.sockets.chat.io.engine.transport.name === wanted, transport);
    await server.publish({ type: "post_liked", data: 1, user_id: user });
    await server.publish({ type: "order_updated", data: 2, user_id: user });
    await server.publish({ type: "notification", data: { title: "3" }, user_id: user });
    const answer = await page.evaluate((to) => ws.sendMessage(to, "to myself"), user);
    assert.equal(answer.success, true);
    await page.waitForFunction(() => diary.length >= 4);
    const wanted = [
      ["chat", "to myself"],
      ["notifications", "3"],
      ["orders", 2],
      ["sns", 1],
    ];
    assert.deepEqual((await page.evaluate(() => diary)).sort(), wanted);
    await page.evaluate(() => ws.disconnect());
    assert.equal(await page.evaluate(() => ws.isConnected), false);
  }

  it("the hub's script in a page of the hub's origin with a strict policy", async () => {
    const pages = await openPages(server);
    try {
      pages.give("/host", "text/html", POLICY, HOST("/"));
      pages.give("/host.js", "text/javascript", POLICY, HOST_SCRIPT);
      await worksAt(`${pages.url}host`, { client: "the hub's" });
    } finally {
      await pages.close();
    }
  });

  it("the hub's script in pages of another origin and in one from a file, with the hub's client and with their own", async () => {
    await worksAt(places["another port of localhost"]("host.html"), { client: "the hub's" });
    await worksAt(places["another port"]("host-own.html"), { client: "its own" });
    await worksAt(places["a file"]("host.html"), { client: "the hub's" });
  });
});
