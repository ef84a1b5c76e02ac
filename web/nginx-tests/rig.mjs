// Debian's nginx with the files of nginx/, for tests of them: a copy in which only addresses, ports and paths of local/ are others,
// and what a test names besides. Also a certificate, requests over TLS, and a stand-in for a node or service that tells what it was
// asked. Not here: the real servers (../browser-tests/server.mjs), and what clients should see.

import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as plainRequest } from "node:http";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../browser-tests/ports.mjs";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const NGINX = process.env.NGINX ?? "/usr/sbin/nginx";

/** How long anything may take that should be there in a moment: a debug build on a busy machine. */
export const PATIENCE_MS = 30_000;

/** A network whose clients are inside, by what the tests put into X-Forwarded-For; another is not counted by limits. */
export const INSIDE = "10.20.0.7";
export const UNLIMITED = "10.30.0.7";

const temporary = [];
process.on("exit", () => {
  for (const directory of temporary) rmSync(directory, { recursive: true, force: true });
});
function newDirectory() {
  const directory = mkdtempSync(join(tmpdir(), "fanfare-nginx-"));
  temporary.push(directory);
  return directory;
}

/** A certificate of localhost that nobody else believes: paths of the chain and the key, and the chain. */
export function makeCertificate() {
  const directory = newDirectory();
  const [chain, key] = [join(directory, "chain.pem"), join(directory, "key.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "7"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...subject, "-keyout", key, "-out", chain], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  return { chain, key, ca: readFileSync(chain) };
}

/** The services as local/upstreams.conf names them, each with its port there. */
const SERVICES = {
  "paychain-user-service:8083": "user",
  "paychain-job-service:8081": "job",
  "paychain-payment-service:8082": "payment",
  "paychain-notification-service:8084": "notification",
  "paychain-chat-service:8086": "chat",
};

/**
 * nginx with the files of nginx/. `nodes` are ports of two nodes: `{main, dashboard, receipts}`; `services` a port of all of them, or one
 * for each. `change` gives for a file's path the text in place of its own.
 */
export async function startNginx({ nodes, services, certificate = makeCertificate(), change = {} }) {
  // Somebody else may take a port between the question and its use; then others are asked for.
  for (let left = 5; ; left -= 1) {
    const directory = newDirectory();
    const ports = { https: 0, plain: 0, dashboard: 0, receipts: 0 };
    for (const name of Object.keys(ports)) ports[name] = await freePort();
    const files = writeConfiguration({ directory, nodes, services, certificate, change, ports });
    const nginx = new Nginx(directory, files, ports, certificate.ca);
    try {
      await nginx.start();
      return nginx;
    } catch (error) {
      if (left <= 1 || !/Address already in use/.test(error.message)) throw error;
    }
  }
}

/** Writes the copy; its main file. */
export function writeConfiguration({
  directory = newDirectory(),
  nodes,
  services,
  certificate,
  change,
  ports,
}) {
  const run = join(directory, "run");
  cpSync(join(ROOT, "nginx"), directory, { recursive: true });
  mkdirSync(run);
  const edit = (path, how) => {
    const file = join(directory, path);
    const before = readFileSync(file, "utf8");
    const after = how(before);
    if (after === before) throw new Error(`nothing was changed in ${path}`);
    writeFileSync(file, after);
  };
  const inDirectory = (text) =>
    text
      .replaceAll("/run/nginx", run)
      .replaceAll("/dev/stdout", join(directory, "stdout"))
      .replaceAll("error_log stderr", `error_log ${join(directory, "stderr")}`);
  const port = (from, to) => (text) => text.replace(`listen ${from}`, `listen 127.0.0.1:${to}`);
  edit("local/main.conf", (text) => {
    const own = inDirectory(text)
      .replace("worker_processes auto", "worker_processes 2")
      .replace(/^worker_rlimit.*$/m, "");
    return process.getuid() === 0 ? own.replace("user www-data", "user root") : own.replace(/^user .*$/m, "");
  });
  edit("local/paths.conf", (text) =>
    inDirectory(text).replace("/usr/share/fanfare/app", join(ROOT, "web/apps/paychain/dist")),
  );
  edit("http/logs.conf", inDirectory);
  edit("server/long-lived.conf", inDirectory);
  edit("local/certificate.conf", (text) =>
    text
      .replace("/run/secrets/tls_certificate", certificate.chain)
      .replace("/run/secrets/tls_key", certificate.key),
  );
  edit("local/trust.conf", (text) => {
    const [inside, unlimited] = [INSIDE, UNLIMITED].map((address) => `${address}/32 1;`);
    return text
      .replace("real_ip_header", "set_real_ip_from 127.0.0.1;\nreal_ip_header")
      .replace("# 10.20.0.0/16 1;", inside)
      .replace("# 10.20.0.0/16 1;", unlimited);
  });
  edit("local/listen.conf", port(8443, ports.https));
  edit("local/listen-plain.conf", (text) =>
    port(8080, ports.plain)(text).replace('$public_port ""', `$public_port ":${ports.https}"`),
  );
  edit("local/listen-dashboard.conf", port(5000, ports.dashboard));
  edit("local/listen-receipts.conf", port(8765, ports.receipts));
  edit("local/upstreams.conf", (text) => {
    let own = text;
    nodes.forEach(({ main, dashboard, receipts }, at) => {
      const name = `paychain-websocket${at === 0 ? "" : "-2"}`;
      own = own
        .replaceAll(`${name}:8000`, `127.0.0.1:${main}`)
        .replaceAll(`${name}:5000`, `127.0.0.1:${dashboard ?? main}`)
        .replaceAll(`${name}:8765`, `127.0.0.1:${receipts ?? main}`);
    });
    for (const [address, name] of Object.entries(SERVICES)) {
      own = own.replaceAll(address, `127.0.0.1:${services?.[name] ?? services ?? nodes[0].main}`);
    }
    if (own.includes("paychain-"))
      throw new Error("local/upstreams.conf names somebody whom the tests do not know");
    return own;
  });
  for (const [path, how] of Object.entries(change ?? {})) edit(path, how);
  return join(directory, "nginx.conf");
}

/** Runs nginx with arguments of its own on a configuration, to its end; what it said, on both outputs. */
export function runNginx(main, ...args) {
  const errors = join(main, "../said");
  const out = execFileSync(NGINX, ["-e", errors, ...args, "-c", main], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1 << 24,
  });
  return out + readFileSync(errors, "utf8");
}

class Nginx {
  #directory;
  #main;
  #child;
  #ended;
  #agent;

  constructor(directory, main, ports, ca) {
    this.#directory = directory;
    this.#main = main;
    this.ports = ports;
    this.ca = ca;
    this.#agent = new Agent({ ca, keepAlive: true });
    this.url = `https://localhost:${ports.https}/`;
    this.sockets = `wss://localhost:${ports.https}`;
  }

  async start() {
    const args = ["-e", join(this.#directory, "said"), "-c", this.#main, "-g", "daemon off;"];
    this.#child = spawn(NGINX, args, { stdio: "ignore" });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on("exit", resolve);
      this.#child.on("error", reject);
    });
    let ended = false;
    const note = () => {
      ended = true;
    };
    this.#ended.then(note, note);
    const isThere = () =>
      ended ? Promise.resolve(true) : ask(`http://127.0.0.1:${this.ports.plain}/-/health`).catch(() => null);
    await until(isThere, "nginx answers");
    if (ended) throw new Error(`nginx ended: ${this.errors()}`);
  }

  /** Asks over TLS; `{status, headers, text, json}`. */
  ask(path, options = {}) {
    return ask(new URL(path, this.url), { agent: this.#agent, servername: "localhost", ...options });
  }

  /** Lets it read its files anew, as `nginx -s reload` does. */
  reload() {
    this.#child.kill("SIGHUP");
  }

  /** The lines of its log, each request one. */
  log() {
    const lines = readFileSync(join(this.#directory, "stdout"), "utf8").split("\n");
    return lines.filter(Boolean).map((line) => JSON.parse(line));
  }

  /** All that it has written, on disk. */
  written() {
    return ["stdout", "stderr", "said"].map((name) => this.#read(name)).join("\n");
  }

  errors() {
    return this.#read("said") + this.#read("stderr");
  }

  #read(name) {
    try {
      return readFileSync(join(this.#directory, name), "utf8");
    } catch {
      return "";
    }
  }

  async stop() {
    this.#agent.destroy();
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await this.#ended;
    clearTimeout(late);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** A request, over TLS or not; its whole answer. */
export function ask(url, { method = "GET", headers = {}, body, agent, servername, path } = {}) {
  const address = new URL(url);
  const send = address.protocol === "https:" ? request : plainRequest;
  // Without a length node writes the body of a GET as if it were the next request.
  const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const options = {
      method,
      headers: { ...length, ...headers },
      agent,
      servername,
      signal: AbortSignal.timeout(PATIENCE_MS),
    };
    // As it is: a URL would tidy it up.
    if (path !== undefined) options.path = path;
    const asking = send(address, options, (answer) => {
      const parts = [];
      answer.on("data", (bytes) => parts.push(bytes));
      answer.on("error", reject);
      answer.on("end", () => {
        const bytes = Buffer.concat(parts);
        const text = bytes.toString();
        const isJson =
          /json/.test(answer.headers["content-type"] ?? "") && !answer.headers["content-encoding"];
        resolve({
          status: answer.statusCode,
          headers: answer.headers,
          bytes,
          text,
          json: isJson && text ? JSON.parse(text) : null,
        });
      });
    });
    asking.on("error", reject);
    asking.end(body);
  });
}

/** Waits until `look` gives something that is true, and gives that. `wanted` says what it was. */
export async function until(look, wanted) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${typeof wanted === "function" ? wanted() : wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A node or a service that does as a test says, and remembers what it was asked: `{method, url, headers}`. */
export async function startStandIn(answer = (_request, response) => response.end("{}")) {
  const standIn = { asked: [], answer };
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    request.resume();
    request.on("end", () => {
      standIn.asked.push({ method, url, headers });
      standIn.answer(request, response);
    });
  });
  const upgraded = new Set();
  server.on("upgrade", (request, socket) => {
    upgraded.add(socket);
    socket.on("error", () => undefined);
    standIn.asked.push({ method: request.method, url: request.url, headers: request.headers });
    standIn.upgrade?.(request, socket);
    if (!standIn.upgrade) socket.destroy();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  standIn.port = server.address().port;
  standIn.stop = () => {
    server.closeAllConnections();
    for (const socket of upgraded) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  };
  return standIn;
}
