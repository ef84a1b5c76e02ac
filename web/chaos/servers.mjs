// The servers of a run, in both shapes: hub and services as processes of their own, or all in `fanfare up`. Their settings are here; what
// a process is, in parts.mjs.

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../browser-tests/ports.mjs";
import { Disk } from "./disk.mjs";
import { Part } from "./parts.mjs";

/** The API keys of the run. */
export const KEYS = { services: "services-of-the-chaos", direct: "publishers-of-the-chaos" };

const HUB = "websocket-server";
const SERVICES = ["user-service", "payment-service", "job-service"];

/** Every stream on disk, and room for all that a run publishes: so no gap has an excuse. */
const RULES = ["chaos:*", "jobs", "payments", "@all", "user:*"];

/** Where everything will answer, before it is there: the passage has to know. */
export async function addresses(up) {
  const names = up ? ["fanfare"] : [HUB, ...SERVICES];
  const ports = await freePorts(names.length);
  return Object.fromEntries(names.map((name, at) => [name, ports[at]]));
}

/**
 * The servers, not started yet. `ports` from above, `relayTo` is where services find the hub, `programs` the directory that they are
 * built in.
 */
export function servers({ directory, ports, relayTo, programs, up, withDisk, told }) {
  const kept = join(directory, "programs");
  mkdirSync(kept);
  const from = programs ?? fileURLToPath(new URL("../../target/debug", import.meta.url));
  const data = join(directory, "data");
  const part = (name, environment, args) => {
    // As it is now, whatever is built meanwhile.
    const program = join(kept, name);
    copyFileSync(join(from, name), program);
    return new Part({ name, port: ports[name], program, args, environment, directory, told });
  };
  const address = (name) => `http://127.0.0.1:${ports[name]}`;
  const config = join(directory, "hub.toml");
  const rules = RULES.map(
    (pattern) =>
      `[[channels]]\npattern = "${pattern}"\nhistory = { size = 1000000, age = "7d", durable = true }\n`,
  );
  writeFileSync(config, rules.join("\n"));
  const rights = "*|@all|user:*";
  const hubSettings = {
    FANFARE_CONFIG: config,
    FANFARE_API_KEYS: `services:${KEYS.services}:${rights}|+admin,direct:${KEYS.direct}:${rights}`,
    FANFARE_DATA: up ? data : join(data, "hub"),
    HISTORY_MAX_BYTES: "1GiB",
    IDEMPOTENCY_TTL: "1d",
    IDEMPOTENCY_KEYS: "1000000",
    RUST_LOG: "warn",
  };
  if (up) {
    const hub = part("fanfare", { ...hubSettings, SERVICE_API_KEY: "services-among-themselves" }, ["up"]);
    const healths = SERVICES.map((name) => `${hub.url}/svc/${name}`);
    return {
      hub,
      services: [],
      users: hub,
      jobs: hub,
      payments: hub,
      healths,
      books: healths[1],
      disk: null,
    };
  }
  const disk = withDisk ? new Disk({ under: join(data, "hub"), scratch: directory }) : null;
  const hub = part(HUB, {
    ...hubSettings,
    JWKS_URL: `${address("user-service")}/.well-known/jwks.json`,
    ...disk?.environment,
  });
  const services = SERVICES.map((name) =>
    part(name, {
      SERVICE_API_KEY: KEYS.services,
      WS_SERVICE_URL: relayTo,
      USER_SERVICE_URL: address("user-service"),
      PAYMENT_SERVICE_URL: address("payment-service"),
      FANFARE_DATA: data,
      RUST_LOG: "warn",
    }),
  );
  const [users, payments, jobs] = services;
  const healths = services.map(({ url }) => url);
  return { hub, services, users, jobs, payments, healths, books: payments.url, disk };
}
