// Which path goes where and with what, who is refused, and how answers are dressed: nginx before stand-ins that tell what they were
// asked. Not here: what real nodes do with it (worlds.test.mjs, socketio.test.mjs).

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { freePort } from "../browser-tests/ports.mjs";
import { INSIDE, makeCertificate, startNginx, startStandIn, UNLIMITED, until } from "./rig.mjs";

const POST = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
const from = (address, headers = {}) => ({ "x-forwarded-for": address, ...headers });

/** Answers that tell who they are of. */
const named = (name) => (_request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ name }));
};

describe("paths through nginx", { timeout: 300_000 }, () => {
  const certificate = makeCertificate();
  const standIns = {};
  let nginx;

  const all = () => Object.values(standIns);
  before(async () => {
    for (const name of ["one", "two", "user", "job", "payment", "notification", "chat"]) {
      standIns[name] = await startStandIn();
    }
    const { one, two, ...services } = standIns;
    nginx = await startNginx({
      nodes: [{ main: one.port }, { main: two.port }],
      services: Object.fromEntries(Object.entries(services).map(([name, { port }]) => [name, port])),
      certificate,
    });
  });
  beforeEach(() => {
    for (const [name, standIn] of Object.entries(standIns)) {
      standIn.asked.length = 0;
      standIn.answer = named(name === "one" || name === "two" ? "hub" : name);
    }
  });
  after(async () => {
    await nginx?.stop();
    for (const standIn of all()) await standIn.stop();
  });

  const asked = () => all().flatMap((standIn) => standIn.asked);

  it("lead to the hub and to each service as on `fanfare up`", async () => {
    const places = {
      hub: [
        ["GET", "/ws"],
        ["GET", "/ws/notifications/"],
        ["GET", "/ws/press"],
        ["GET", "/events?channels=jobs"],
        ["POST", "/events/ticket"],
        ["GET", "/socket.io/?EIO=4&transport=polling"],
        ["GET", "/socket.io/socket.io.min.js"],
        ["GET", "/js/websocket.js"],
        ["GET", "/sounds/notification.mp3"],
        ["GET", "/assets/main.js"],
        ["GET", "/playground"],
        ["GET", "/playground/server"],
        ["GET", "/healthz"],
      ],
      user: [
        ["POST", "/auth/register"],
        ["POST", "/auth/login"],
        ["POST", "/auth/refresh"],
        ["GET", "/users/me"],
        ["PATCH", "/users/me"],
        ["GET", "/.well-known/jwks.json"],
      ],
      job: [
        ["GET", "/jobs?status=open&cursor=a%2Fb"],
        ["POST", "/jobs"],
        ["POST", "/jobs/7/accept"],
      ],
      payment: [
        ["GET", "/payments?job_id=7"],
        ["GET", "/payments/7"],
        ["GET", "/wallet"],
        ["POST", "/wallet/deposit"],
      ],
      notification: [
        ["GET", "/api/notifications?page=1"],
        ["PUT", "/api/notifications/7/read"],
        ["POST", "/api/fcm/register-device"],
      ],
      chat: [
        ["GET", "/api/chat/conversations"],
        ["POST", "/api/chat/anna%20b/messages"],
      ],
    };
    for (const [name, calls] of Object.entries(places)) {
      for (const [method, path] of calls) {
        const answer = await nginx.ask("/", { method, path });
        assert.deepEqual(answer.json, { name }, `${method} ${path}`);
        const [{ url, ...request }, ...more] = asked().filter((it) => it.url === path);
        assert.deepEqual([url, request.method, more.length], [path, method, 0]);
        for (const standIn of all()) standIn.asked.length = 0;
      }
    }
  });

  const CLOSED = [
    ...[
      "/broadcast",
      "/broadcast/batch",
      "/stats",
      "/stats?scope=cluster",
      "/metrics",
      "/health",
      "/channels",
    ],
    ...[
      "/channels/jobs",
      "/feeds/notifications",
      "/users/7/connections",
      "/users/7/disconnect",
      "/users/me/connections",
    ],
    ...[
      "/payments/hold",
      "/payments/void",
      "/payments/7/release",
      "/payments/7/refund",
      "/payments/7/worker",
    ],
    ...[
      "/api/notifications/bulk",
      "/api/notifications/trace",
      "/svc/user-service/metrics",
      "/svc/job-service/health",
    ],
    ...["/svc/chat-service/docs/", "/svc/payment-service/openapi.json", "/svc/pubsub-bridge/metrics"],
  ];
  const HOOKS = ["/hooks/chat", "/hooks/deliveries", "/hooks/notifications", "/hooks/"];

  it("of publishers, operators and services are refused from outside, in the form of all problems", async () => {
    for (const path of [...CLOSED, ...HOOKS]) {
      for (const method of ["GET", "POST", "PUT"]) {
        const answer = await nginx.ask("/", { ...POST, path, method, headers: from("203.0.113.9") });
        assert.deepEqual([answer.status, answer.json?.code], [403, "not_public"], `${method} ${path}`);
        assert.equal(answer.headers["content-type"], "application/problem+json");
        assert.deepEqual(Object.keys(answer.json), ["type", "title", "status", "code", "detail"]);
      }
    }
    assert.deepEqual(asked(), []);
  });

  it("of publishers and operators are open to the networks that are trusted, hooks and unknown ones to nobody", async () => {
    for (const path of CLOSED.filter((path) => !path.includes("bridge"))) {
      const answer = await nginx.ask("/", { ...POST, path, headers: from(INSIDE) });
      assert.equal(answer.status, 200, path);
    }
    assert.ok(
      asked().some(({ url }) => url === "/metrics"),
      "a service has its own at its root",
    );
    for (const path of HOOKS) {
      assert.equal((await nginx.ask("/", { ...POST, path, headers: from(INSIDE) })).status, 403, path);
    }
    for (const path of [
      "/echo",
      "/engine.io/",
      "/nothing",
      "/svc/other-service/metrics",
      "/.git/config",
      "/app/../nginx.conf",
    ]) {
      const answer = await nginx.ask("/", { path, headers: from(INSIDE) });
      assert.deepEqual([answer.status, answer.json?.code], [404, "not_found"], path);
    }
  });

  it("below /svc/ lead from inside to a service's own root, and its page finds its description", async () => {
    standIns.job.answer = ({ url }, response) => {
      if (url === "/docs") return response.writeHead(303, { location: "/docs/" }).end();
      response.setHeader("content-type", "text/javascript");
      response.end(`window.ui = SwaggerUIBundle({ url: "/openapi.json", from: "${url}" });`);
    };
    const headers = from(INSIDE, { "accept-encoding": "br" });
    const script = await nginx.ask("/svc/job-service/docs/swagger-initializer.js", { headers });
    assert.equal(
      script.text,
      'window.ui = SwaggerUIBundle({ url: "/svc/job-service/openapi.json", from: "/docs/swagger-initializer.js" });',
    );
    assert.equal(
      standIns.job.asked[0].headers["accept-encoding"],
      undefined,
      "what is compressed cannot be written over",
    );
    assert.equal(standIns.job.asked[0].headers["x-real-ip"], INSIDE);
    const page = await nginx.ask("/svc/job-service/docs", { headers });
    assert.equal(new URL(page.headers.location, nginx.url).href, `${nginx.url}svc/job-service/docs/`);
  });

  it("are refused however they are written: nothing that a node could take for a closed one gets through", async () => {
    const ways = [
      "//broadcast",
      "/./broadcast",
      "/ws/../broadcast",
      "/ws/%2e%2e/broadcast",
      "/%62roadcast",
      "/broadcast%2Fbatch",
      "/broadcast?x=/ws",
      "/broadcast#x",
      "/js/..%2fbroadcast",
      "/js/%2e%2e%2fbroadcast",
      "/socket.io/../stats",
      "/socket.io%2f..%2fmetrics",
      "/ws/..;/metrics",
      "/users/me/../7/disconnect",
      "/users/me%2f..%2f7%2fdisconnect",
      "/payments/7/../hold",
      "/payments/%68old",
      "/payments/7%2frelease",
      "/api/notifications/7/../bulk",
      "/jobs/../hooks/chat",
      "/api/chat/../../hooks/chat",
      "/api/chat/..%2f..%2fhooks%2fchat",
      "/broadcast/",
      "/stats/",
      "/%2562roadcast",
      "/ws%00/../broadcast",
      "\\broadcast",
      "/BROADCAST",
      "http://localhost/broadcast",
      "/auth/../metrics",
      "/svc/user-service/..%2f..%2fmetrics",
      "/.well-known/jwks.json/../../metrics",
    ];
    const closed =
      /^\/(broadcast|stats|metrics|health|channels|feeds|hooks)(\/|$)|^\/users\/(?!me$)|^\/payments\/(?!\d+$)|^\/api\/notifications\/(bulk|trace)/i;
    for (const path of ways) {
      for (const method of ["GET", "POST"]) {
        await nginx.ask("/", { ...POST, method, path, headers: from("203.0.113.9") });
        // What was let through is none of them, be it decoded or not, tidied or not.
        for (const { url } of asked()) {
          const bare = url.split(/[?#]/)[0].replace(/\/{2,}/g, "/");
          for (const one of [bare, decodeURIComponent(bare)]) {
            assert.doesNotMatch(one, closed, `${path} → ${url}`);
            assert.doesNotMatch(new URL(one, "http://x").pathname, closed, `${path} → ${url}`);
          }
        }
        for (const standIn of all()) standIn.asked.length = 0;
      }
    }
  });

  it("show whom the request is from, whatever it says of itself", async () => {
    const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const headers = {
      "x-forwarded-for": "198.51.100.1, 203.0.113.9",
      "x-real-ip": "10.0.0.1",
      forwarded: "for=10.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "evil.example",
      "x-request-id": "order-7.a",
      traceparent: trace,
      tracestate: "a=b",
      authorization: "Bearer t",
      "idempotency-key": "k-1",
    };
    const answer = await nginx.ask("/jobs", { ...POST, headers });
    assert.equal(answer.headers["x-request-id"], "order-7.a");
    const [got] = standIns.job.asked;
    const host = new URL(nginx.url).host;
    for (const [name, value] of Object.entries({
      "x-real-ip": "203.0.113.9",
      "x-forwarded-for": "203.0.113.9",
      "x-forwarded-proto": "https",
      "x-forwarded-host": host,
      host,
      forwarded: undefined,
      "x-request-id": "order-7.a",
      traceparent: trace,
      tracestate: "a=b",
      authorization: "Bearer t",
      "idempotency-key": "k-1",
    })) {
      assert.equal(got.headers[name], value, name);
    }
    const odd = await nginx.ask("/jobs", { headers: { "x-request-id": "no id\t<b>" } });
    assert.match(odd.headers["x-request-id"], /^[0-9a-f]{32}$/);
    const line = await until(
      () => nginx.log().find(({ request_id }) => request_id === "order-7.a"),
      "its line",
    );
    assert.equal(line.trace_id, trace.split("-")[1]);
    assert.equal(line.client, "203.0.113.9");
  });

  it("are closed to who only says to be inside", async () => {
    const ways = [
      { "x-forwarded-for": `${INSIDE}, 203.0.113.9` },
      { "x-forwarded-for": [INSIDE, "203.0.113.9"] },
      { "x-forwarded-for": "203.0.113.9", "x-real-ip": INSIDE, forwarded: `for=${INSIDE}` },
      { "x-forwarded-for": `203.0.113.9, ${INSIDE}x` },
    ];
    for (const headers of ways) {
      assert.equal((await nginx.ask("/metrics", { headers })).status, 403, JSON.stringify(headers));
    }
    // As the file is: nobody in front is believed.
    const own = await startNginx({
      nodes: [{ main: standIns.one.port }, { main: standIns.two.port }],
      certificate,
      change: { "local/trust.conf": (text) => text.replace("set_real_ip_from 127.0.0.1;", "") },
    });
    try {
      assert.equal((await own.ask("/metrics", { headers: from(INSIDE) })).status, 403);
      await own.ask("/ws", { headers: from(INSIDE) });
      assert.equal(asked().at(-1).headers["x-real-ip"], "127.0.0.1");
    } finally {
      await own.stop();
    }
  });

  it("never repeat a POST, and ask the next node for what may be asked twice", async () => {
    const { one, two } = standIns;
    const broken = (request, response) => request.socket.destroy() && response.destroy();
    const refused = (_request, response) => {
      response.writeHead(503, { "retry-after": "1", "content-type": "application/problem+json" });
      response.end('{"code":"draining"}');
    };
    // Each node in turn may be the first that is asked.
    for (const [bad, good] of [
      [one, two],
      [two, one],
    ]) {
      for (const answer of [broken, refused]) {
        bad.answer = answer;
        good.answer = named("hub");
        for (let count = 0; count < 4; count += 1) {
          const got = await nginx.ask("/events?channels=jobs");
          assert.deepEqual([got.status, got.json], [200, { name: "hub" }]);
        }
        assert.ok(bad.asked.length > 0);
        one.answer = answer;
        two.answer = answer;
        one.asked.length = 0;
        two.asked.length = 0;
        const posted = await nginx.ask("/events/ticket", POST);
        assert.equal(one.asked.length + two.asked.length, 1, "sent once");
        // What the node says is said; where it said nothing, nginx does, in the same form.
        assert.equal(posted.status, answer === broken ? 502 : 503);
        assert.deepEqual(
          [posted.json.code, posted.headers["retry-after"]],
          [answer === broken ? "unavailable" : "draining", "1"],
        );
        const patched = await nginx.ask("/users/me", { ...POST, method: "PATCH" });
        assert.equal(patched.status, 200);
        // With all of them draining their own words come through.
        if (answer === refused) assert.equal((await nginx.ask("/ws")).json.code, "draining");
      }
    }
  });

  it("deliver a POST to the next node where the first is not there to take it", async () => {
    const nobody = await freePort();
    const own = await startNginx({ nodes: [{ main: nobody }, { main: standIns.two.port }], certificate });
    try {
      for (let count = 0; count < 4; count += 1) {
        assert.equal((await own.ask("/events/ticket", POST)).status, 200);
        assert.equal(
          (await own.ask("/socket.io/?sid=1.AAAA", POST)).status,
          200,
          "also what is of the one that is gone",
        );
      }
      assert.equal(standIns.two.asked.length, 8);
      // A line is written when its request is over, which its client may know first.
      const tried = () => own.log().some(({ upstream_status }) => upstream_status === "502, 200");
      await until(tried, "a request that both were asked");
    } finally {
      await own.stop();
    }
  });

  it("carry a tag to the node that it is of", async () => {
    const { one, two } = standIns;
    for (const [query, node] of [
      ["sid=1.AAAA", one],
      ["sid=2.AAAA", two],
      ["EIO=4&transport=polling&t=x&sid=2.AAAA", two],
    ]) {
      for (let count = 0; count < 3; count += 1) await nginx.ask(`/socket.io/?${query}`, POST);
      assert.equal(node.asked.length, 3, query);
      node.asked.length = 0;
    }
    for (let count = 0; count < 3; count += 1) await nginx.ask("/events?ticket=1.AAAA");
    assert.equal(one.asked.length, 3);
    for (const query of ["sid=3.AAAA", "sid=AAAA", "sid=11.A", "sid=", "sid=1&sid=2.A"]) {
      assert.equal((await nginx.ask(`/socket.io/?${query}`)).status, 200, query);
    }
  });

  it("take so much of an address and no more: 429 with the form of all problems, and others are not held up", async () => {
    const login = (address) => nginx.ask("/auth/login", { ...POST, headers: from(address) });
    const answers = await Promise.all(Array.from({ length: 60 }, () => login("203.0.113.77")));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length >= 5, `${refused.length} of 60`);
    const [first] = refused;
    assert.equal(first.headers["content-type"], "application/problem+json");
    assert.equal(first.headers["retry-after"], "1");
    assert.deepEqual(
      [first.json.type, first.json.title, first.json.status, first.json.code],
      ["about:blank", "Too Many Requests", 429, "rate_limited"],
    );
    assert.equal((await login("203.0.113.78")).status, 200);
    // A /64 of IPv6 is one customer.
    const six = await Promise.all(
      Array.from({ length: 60 }, (_, n) => login(n % 2 ? `2001:db8:1:2:${n}::1` : `2001:db8:1:2::${n}`)),
    );
    assert.ok(six.some(({ status }) => status === 429));
    assert.equal((await login("2001:db8:1:3::1")).status, 200);
    // Spoofed addresses to the left of the real one change nothing, and who is not counted is not.
    const spoofed = await Promise.all(
      Array.from({ length: 60 }, (_, n) => login(`198.51.100.${n}, 203.0.113.79`)),
    );
    assert.ok(spoofed.some(({ status }) => status === 429));
    const free = await Promise.all(Array.from({ length: 40 }, () => login(UNLIMITED)));
    assert.ok(free.every(({ status }) => status === 200));
  });

  it("hold so many connections of an address and no more", async () => {
    const own = await startNginx({
      nodes: [{ main: standIns.one.port }, { main: standIns.two.port }],
      certificate,
      change: { "server/handshake.conf": (text) => text.replace("connections 4000", "connections 2") },
    });
    const waiting = [];
    standIns.one.answer = standIns.two.answer = (_request, response) => waiting.push(response);
    try {
      const two = [
        own.ask("/ws", { headers: from("203.0.113.9") }),
        own.ask("/ws", { headers: from("203.0.113.9") }),
      ];
      await until(() => waiting.length === 2, "two that are held");
      const third = await own.ask("/ws", { headers: from("203.0.113.9") });
      assert.deepEqual([third.status, third.json.code], [429, "rate_limited"]);
      const other = own.ask("/ws", { headers: from("203.0.113.10") });
      await until(() => waiting.length === 3, "another's");
      for (const response of waiting.splice(0)) response.end("{}");
      for (const answer of await Promise.all([...two, other])) assert.equal(answer.status, 200);
    } finally {
      await own.stop();
    }
  });

  it("refuse a body that is too large, and an address that is too long, in the form of all problems", async () => {
    const body = Buffer.alloc((1 << 20) + 1, " ");
    const large = await nginx.ask("/jobs", { ...POST, body });
    assert.deepEqual([large.status, large.json?.code], [413, "too_large"]);
    const fits = await nginx.ask("/jobs", { ...POST, body: body.subarray(1) });
    assert.equal(fits.status, 200, "1 MiB is not too large");
    const long = await nginx.ask("/", { path: `/ws?token=${"x".repeat(20_000)}` });
    assert.deepEqual([long.status, long.json?.code], [414, "uri_too_long"]);
    const token = await nginx.ask("/", { path: `/ws?token=${"x".repeat(12_000)}` });
    assert.equal(token.status, 200, "a long token fits");
  });
});
