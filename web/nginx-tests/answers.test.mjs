// How nginx dresses answers: TLS, headers, the web app's files with compression and caching, the way from http to https; and that its
// logs hold no secret. Not here: which path goes where (paths.test.mjs), and whether pages work so (pages.browser.mjs).

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import http2 from "node:http2";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { gunzipSync } from "node:zlib";
import { ask, makeCertificate, ROOT, startNginx, startStandIn, until } from "./rig.mjs";
import { Line } from "./stage.mjs";

const APP = join(ROOT, "web/apps/paychain/dist");
const OWN_POLICY = "default-src 'none'; frame-ancestors 'none'";

describe("answers through nginx", { timeout: 120_000 }, () => {
  const certificate = makeCertificate();
  let standIn;
  let nginx;

  before(async () => {
    standIn = await startStandIn();
    const place = { main: standIn.port };
    nginx = await startNginx({ nodes: [place, place], services: standIn.port, certificate });
  });
  after(async () => {
    await nginx?.stop();
    await standIn?.stop();
  });

  /** A TLS handshake; what was agreed on, or the error's code. */
  const handshake = (options) =>
    new Promise((resolve) => {
      const socket = connect({ port: nginx.ports.https, host: "localhost", ca: nginx.ca, ...options }, () => {
        resolve({
          protocol: socket.getProtocol(),
          cipher: socket.getCipher().name,
          alpn: socket.alpnProtocol,
        });
        socket.destroy();
      });
      socket.on("error", (error) => resolve({ error: error.code }));
    });

  it("are encrypted by TLS 1.2 and 1.3, with forward secrecy and AEAD alone", async () => {
    assert.equal((await handshake({})).protocol, "TLSv1.3");
    const older = await handshake({ maxVersion: "TLSv1.2" });
    assert.equal(older.protocol, "TLSv1.2");
    assert.match(older.cipher, /^ECDHE-.*(GCM|POLY1305)/);
    for (const version of ["TLSv1", "TLSv1.1"]) {
      const old = await handshake({
        minVersion: version,
        maxVersion: version,
        ciphers: "DEFAULT@SECLEVEL=0",
      });
      assert.ok(old.error, version);
    }
    for (const ciphers of ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "AES256-SHA"]) {
      assert.ok((await handshake({ maxVersion: "TLSv1.2", ciphers })).error, ciphers);
    }
  });

  it("come by HTTP/2 where the client can, while WebSockets keep to HTTP/1.1", async () => {
    assert.equal((await handshake({ ALPNProtocols: ["h2", "http/1.1"] })).alpn, "h2");
    const session = http2.connect(nginx.url, { ca: nginx.ca });
    const settings = await new Promise((resolve, reject) => {
      session.on("remoteSettings", resolve);
      session.on("error", reject);
    });
    assert.ok(!settings.enableConnectProtocol, "a browser opens its WebSockets by HTTP/1.1 then");
    const stream = session.request({ ":path": "/jobs", "x-request-id": "by-h2" });
    const status = await new Promise((resolve, reject) => {
      stream.on("response", (headers) => resolve(headers[":status"]));
      stream.on("error", reject);
    });
    assert.equal(status, 200);
    const got = standIn.asked.find(({ headers }) => headers["x-request-id"] === "by-h2");
    assert.equal(got.headers.host, new URL(nginx.url).host);
    session.destroy();
  });

  it("have a policy and what else keeps browsers safe, errors as well; what the hub says of its own pages stands", async () => {
    for (const path of ["/jobs", "/nothing", "/broadcast", "/ws"]) {
      const { headers } = await nginx.ask("/", { path });
      assert.equal(headers["x-content-type-options"], "nosniff", path);
      assert.equal(headers["referrer-policy"], "no-referrer", path);
      assert.equal(headers["content-security-policy"], OWN_POLICY, path);
      assert.match(headers["x-request-id"], /^[0-9a-f]{32}$/, path);
      assert.equal(headers.server, "nginx", "without a version");
    }
    const own = {
      "content-security-policy": "default-src 'self'",
      "referrer-policy": "same-origin",
      "retry-after": "7",
    };
    standIn.answer = (_request, response) => response.writeHead(429, own).end("{}");
    const { headers, status } = await nginx.ask("/playground");
    assert.equal(status, 429);
    for (const [name, value] of Object.entries(own)) assert.equal(headers[name], value, name);
    standIn.answer = (_request, response) => response.end("{}");
  });

  it("that are nginx's own can be read by pages that are listed, and by no others", async () => {
    const listed = "https://app.example.com";
    const place = { main: standIn.port };
    const own = await startNginx({
      nodes: [place, place],
      services: standIn.port,
      certificate,
      change: { "local/trust.conf": (text) => text.replace("# https://app", "https://app") },
    });
    try {
      for (const path of ["/broadcast", "/nothing"]) {
        const { headers } = await own.ask(path, { headers: { origin: listed } });
        assert.equal(headers["access-control-allow-origin"], listed);
        assert.equal(headers["access-control-allow-credentials"], "true");
        assert.match(headers.vary, /Origin/);
        for (const origin of ["https://app.example.com.evil.example", "https://other.example", "null"]) {
          const other = await own.ask(path, { headers: { origin } });
          assert.equal(other.headers["access-control-allow-origin"], undefined, origin);
        }
      }
      standIn.answer = (_request, response) =>
        response.writeHead(200, { "access-control-allow-origin": listed, vary: "Origin" }).end("{}");
      const { headers } = await own.ask("/jobs", { headers: { origin: listed } });
      assert.equal(headers["access-control-allow-origin"], listed, "once, as the service said it");
    } finally {
      standIn.answer = (_request, response) => response.end("{}");
      await own.stop();
    }
  });

  it("say that only https is to be used, but not for localhost, where other servers are", async () => {
    const { headers } = await nginx.ask("/jobs", { headers: { host: "app.example.com" } });
    assert.equal(headers["strict-transport-security"], "max-age=31536000");
    assert.equal((await nginx.ask("/jobs")).headers["strict-transport-security"], undefined);
  });

  it("of the web app are compressed as they were built, and names with a hash are kept for ever", async () => {
    const names = readdirSync(join(APP, "app"));
    const name = names.find((it) => /^index-[\w-]{8}\.js$/.test(it));
    assert.ok(name, "npm run build -w paychain");
    const plain = await nginx.ask(`/app/${name}`);
    assert.equal(plain.status, 200);
    assert.equal(plain.headers["content-encoding"], undefined);
    assert.match(plain.headers["content-type"], /^text\/javascript/);
    assert.equal(plain.headers["cache-control"], "public, max-age=31536000, immutable");
    const packed = await nginx.ask(`/app/${name}`, { headers: { "accept-encoding": "br, gzip" } });
    assert.equal(packed.headers["content-encoding"], "gzip");
    assert.equal(packed.headers.vary, "Accept-Encoding");
    assert.deepEqual(packed.bytes, readFileSync(join(APP, "app", `${name}.gz`)), "not compressed anew");
    assert.deepEqual(gunzipSync(packed.bytes), plain.bytes);
    assert.ok(packed.bytes.length < plain.bytes.length / 2);

    const page = await nginx.ask("/", { headers: { "accept-encoding": "gzip" } });
    assert.equal(page.headers["cache-control"], "no-cache");
    assert.equal(page.headers["content-encoding"], "gzip");
    const again = await nginx.ask("/", { headers: { "if-none-match": (await nginx.ask("/")).headers.etag } });
    assert.equal(again.status, 304);
    // What has no hash is asked for each time, and an old name is no page.
    const other = names.find((it) => /\.md$/.test(it));
    if (other) assert.equal((await nginx.ask(`/app/${other}`)).headers["cache-control"], "no-cache");
    const gone = await nginx.ask("/app/index-AAAA0000.js");
    assert.deepEqual(
      [gone.status, gone.json.code, gone.headers["cache-control"]],
      [404, "not_found", undefined],
    );
  });

  it("of services are not compressed: their length would tell secrets", async () => {
    standIn.answer = (_request, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ text: "x".repeat(10_000) }));
    };
    const answer = await nginx.ask("/jobs", { headers: { "accept-encoding": "gzip, br" } });
    assert.equal(answer.headers["content-encoding"], undefined);
    standIn.answer = (_request, response) => response.end("{}");
  });

  it("of port 80 lead to https with method and query, and tell a probe that nginx is there", async () => {
    const base = `http://localhost:${nginx.ports.plain}`;
    const moved = await ask(`${base}/jobs?status=open`, { method: "POST", body: "{}" });
    assert.equal(moved.status, 308);
    assert.equal(moved.headers.location, `${nginx.url}jobs?status=open`);
    const health = await ask(`${base}/-/health`);
    assert.deepEqual([health.status, health.text], [200, "ok\n"]);
    assert.equal((await ask(`${base}/.well-known/acme-challenge/none`)).status, 404);
    // http:// to the port of https://, as somebody types it.
    const typed = await ask(`http://localhost:${nginx.ports.https}/jobs`);
    assert.equal(typed.status, 308);
    assert.equal(typed.headers.location, `${nginx.url}jobs`);
  });

  it("leave no token, ticket or session id in a log, whatever goes wrong", async () => {
    const secret = "s3cret-in-a-query";
    const paths = [
      `/ws?token=${secret}`,
      `/?token=${secret}`,
      `/events?ticket=${secret}`,
      `/socket.io/?EIO=4&transport=polling&sid=1.${secret}`,
      `/broadcast?token=${secret}`,
      `/nothing?token=${secret}`,
      `/jobs?token=${secret}`,
    ];
    const answers = [
      (_request, response) => response.end("{}"),
      (request) => request.socket.destroy(),
      (request) => request.socket.end("no HTTP at all\r\n\r\n"),
      (request) => request.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
      (request) => request.socket.end(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}\r\n\r\n`),
    ];
    for (const answer of answers) {
      standIn.answer = answer;
      for (const path of paths) {
        const headers = {
          referer: `https://x/?token=${secret}`,
          cookie: `access_token=${secret}`,
          authorization: secret,
        };
        await nginx.ask("/", { path, headers }).catch(() => undefined);
      }
    }
    for (const path of paths) {
      const line = new Line(nginx, path);
      await line.opened.catch(() => undefined);
      line.close();
    }
    standIn.answer = (_request, response) => response.end("{}");
    await nginx.ask("/jobs", { headers: { "x-request-id": "the-last" } });
    await until(() => nginx.log().some(({ request_id }) => request_id === "the-last"), "the last line");
    assert.doesNotMatch(nginx.written(), new RegExp(secret));
    assert.ok(
      nginx.log().some(({ path, upstream_status }) => path === "/ws" && upstream_status.includes("502")),
    );
  });
});
