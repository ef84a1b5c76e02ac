// The end of a run: what every client saw is compared with what was published, and with what the services have. Before it the SDK as it
// is in the repository, as one file for the clients. Not here: the comparing itself (check.mjs).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { checkPublications, checkServices, checkSight, joined } from "./check.mjs";

/** The SDK as it is in the repository, as one file. */
export async function bundle(directory) {
  const outfile = join(directory, "sdk.mjs");
  const entry = fileURLToPath(new URL("../packages/sdk/src/index.ts", import.meta.url));
  await build({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform: "neutral",
    outfile,
    logLevel: "error",
  });
  return outfile;
}

/**
 * Adds to `faults` all that is wrong, and tells how much was looked at. `clients` and `publishers`: the processes; `others`: publications
 * that came on another way, such as by Pub/Sub.
 */
export async function verdict({
  directory,
  faults,
  auditor,
  clients,
  publishers,
  others = [],
  states,
  money,
  end,
  forgotten,
  logins,
}) {
  const truth = await auditor.truth();
  for (const text of truth.faults) faults.add("history", text);
  const whole = joined(truth, faults);
  const file = join(directory, "publications.json");
  await publishers.ask("write", file);
  checkPublications(whole, [...JSON.parse(readFileSync(file, "utf8")), ...others], faults);
  checkServices(whole, { ...money, logins }, states, auditor.users, faults);
  const order = truth.order.map(({ id }) => id);
  const userOrder = new Map([...truth.users].map(([userId, events]) => [userId, events.map(({ id }) => id)]));
  let deliveries = 0;
  let sights = 0;
  let tokens = 0;
  for (const [number, each] of clients.entries()) {
    const file = join(directory, `seen-${number}.json`);
    await each.ask("write", file, 120_000);
    const { seen, sights: some } = JSON.parse(readFileSync(file, "utf8"));
    for (const sight of some) {
      sights += 1;
      const found = checkSight(
        sight,
        seen,
        { ...whole, order, userOrder, merged: truth.merged, forgotten },
        end,
        faults,
      );
      deliveries += found.deliveries;
      tokens += found.tokens;
    }
  }
  return { history: whole.byId.size, deliveries, sights, tokens };
}
