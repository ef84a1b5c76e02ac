// The files of nginx/ as they stand: nginx and gixy take them without a word, waits suit quiet sockets, and what stands in two places
// is the same in both. Not here: what nginx does with them (the other files of this directory).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { makeCertificate, ROOT, runNginx, writeConfiguration } from "./rig.mjs";

const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
const read = (path) => readFileSync(join(ROOT, path), "utf8");

/** The hub's pings, seconds: contracts of the channels and of the dashboard. */
const LONGEST_PING = 30;
const GIVEN_UP_AFTER = 60;

describe("the configuration of nginx", () => {
  let main;
  /** All files as one, as nginx has read them. */
  let whole;

  before(() => {
    const ports = { https: 8443, plain: 8080, dashboard: 5000, receipts: 8765 };
    const nodes = [{ main: 8001 }, { main: 8002 }];
    main = writeConfiguration({ nodes, services: 8081, certificate: makeCertificate(), ports });
    whole = runNginx(main, "-T");
  });

  it("is taken by nginx without a warning", () => {
    const said = runNginx(main, "-t");
    assert.doesNotMatch(said, /\[(warn|error|crit|alert|emerg)\]/);
  });

  it("is taken by gixy, but for the findings that nginx/gixy.cfg explains", () => {
    const gixy = process.env.GIXY ?? join(TARGET, "python-venv/bin/gixy");
    const args = ["-c", join(ROOT, "nginx/gixy.cfg"), "-f", "json", join(ROOT, "nginx/nginx.conf")];
    const { error, stdout } = spawnSync(gixy, args, { encoding: "utf8" });
    assert.equal(error, undefined, "scripts/python env installs gixy");
    assert.deepEqual(JSON.parse(stdout), []);
  });

  it("reads every file that is there", () => {
    for (const folder of ["http", "server", "local"]) {
      for (const name of readdirSync(join(ROOT, "nginx", folder))) {
        assert.ok(whole.includes(`/${folder}/${name}:\n`), `${folder}/${name} is not included`);
      }
    }
  });

  it("waits for a quiet socket longer than the hub, which pings it and finds the dead", () => {
    const text = read("nginx/server/long-lived.conf");
    for (const name of ["proxy_read_timeout", "proxy_send_timeout", "send_timeout"]) {
      const [, seconds] = text.match(new RegExp(`^${name}\\s+(\\d+)s;`, "m"));
      assert.ok(Number(seconds) > GIVEN_UP_AFTER, name);
      assert.ok(Number(seconds) >= 3 * LONGEST_PING, name);
    }
    // Whatever is a socket or a stream has them.
    for (const path of ["/ws", "/ws/", "/ws/receipts", "/-/dashboard", "/events", "/socket.io"]) {
      const location = new RegExp(`location (?:= |\\^~ )${path} \\{([^}]*)\\}`);
      const [, inside] = read("nginx/server/sockets.conf").match(location);
      assert.match(inside, /include server\/(handshake|long-lived)\.conf;/, path);
    }
    assert.match(read("nginx/server/handshake.conf"), /^include server\/long-lived\.conf;$/m);
    for (const world of ["dashboard", "receipts"]) {
      assert.match(
        read(`nginx/server/${world}.conf`),
        /location = \/ \{[^}]*include server\/handshake\.conf;/,
      );
    }
  });

  it("ends connections to nodes and services before they do", () => {
    const [, theirs] = read("crates/rest/src/serve.rs").match(/\.keep_alive\(Duration::from_secs\((\d+)\)\)/);
    const ours = [...read("nginx/local/upstreams.conf").matchAll(/keepalive_timeout (\d+)s;/g)];
    assert.equal(ours.length, 8);
    for (const [, seconds] of ours) assert.ok(Number(seconds) < Number(theirs));
  });

  it("sends the web app with the policy that `fanfare up` sends", () => {
    const [, policy] = read("crates/fanfare/src/app.rs").match(/const POLICY: &str = "([^"]*)"/);
    const inOneLine = policy.replace(/\\\n\s*/g, "");
    assert.match(inOneLine, /^default-src 'self';.*object-src 'none'$/);
    assert.ok(read("nginx/http/headers.conf").includes(`"${inOneLine}";`));
  });

  it("takes bodies as large as the hub and the services", () => {
    assert.match(
      read("crates/websocket-server/src/config/flags.rs"),
      /default_value = "1MiB", value_parser = values::size\(1, GIB\)\)\]\s+pub\(super\) max_body/,
    );
    assert.match(read("nginx/http/requests.conf"), /^client_max_body_size 1m;$/m);
  });

  it("says in one place what goes along with a request, since a second one would replace it", () => {
    for (const folder of ["server", "local"]) {
      for (const name of readdirSync(join(ROOT, "nginx", folder))) {
        assert.doesNotMatch(read(`nginx/${folder}/${name}`), /^\s*proxy_set_header/m, name);
      }
    }
  });

  it("never sends a POST twice, nor writes a query into a log", () => {
    assert.doesNotMatch(whole.replace(/#.*/g, ""), /non_idempotent/);
    const format = whole.match(/log_format facts[^;]*;/)[0];
    assert.doesNotMatch(
      format,
      /\$(request|request_uri|args|query_string|http_referer|http_cookie|http_authorization)\b/,
    );
  });
});
