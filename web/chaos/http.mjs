// Calls of HTTP that may fail, over connections that are kept. Not here: what is done about a failure.

import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";

const settings = { keepAlive: true, maxSockets: 64 };
const agent = new Agent(settings);
let secureAgent;

/** For TLS; NODE_EXTRA_CA_CERTS names an authority, also where it was set after this process began. */
function secure() {
  const file = process.env.NODE_EXTRA_CA_CERTS;
  secureAgent ??= new SecureAgent({ ...settings, ...(file ? { ca: readFileSync(file) } : {}) });
  return secureAgent;
}

/** How long a call may take, milliseconds: longer than a part stands still. */
const PATIENCE = 15_000;

/** One call. Its status, headers and JSON (null where there is none); an error where no whole answer came. */
export function call(base, method, path, { key, token = key, headers = {}, body, patience = PATIENCE } = {}) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const withTls = base.startsWith("https:");
    const out = (withTls ? secureRequest : request)(`${base}${path}`, {
      method,
      agent: withTls ? secure() : agent,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(text === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
        ...headers,
      },
    });
    const timer = setTimeout(() => out.destroy(new Error("no answer in time")), patience);
    out.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    out.on("response", (answer) => {
      const parts = [];
      answer.on("data", (bytes) => parts.push(bytes));
      answer.on("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
      answer.on("end", () => {
        clearTimeout(timer);
        if (!answer.complete) return reject(new Error("half an answer"));
        const said = Buffer.concat(parts).toString();
        let json = null;
        try {
          json = JSON.parse(said);
        } catch {
          // No JSON: the status says what it is.
        }
        resolve({ status: answer.statusCode, headers: answer.headers, json, text: said });
      });
    });
    out.end(text);
  });
}
