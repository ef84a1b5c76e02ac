// The benchmark in the browser: rounds of pages under a stream of events. Called by scripts/bench-browser, which says what the options
// are. Every run starts its server and browser anew.

import { mkdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { startFanfare } from "../browser-tests/server.mjs";
import { measure, watchLongTasks } from "./measure.mjs";
import { publishJobs } from "./publish.mjs";
import { faultsOf, isReached, percentile, table, write } from "./report.mjs";
import { components, FIRST, hasApp, paychain } from "./scenarios.mjs";

/** How long events that were published may take to arrive, milliseconds. */
const PATIENCE = 5_000;

const SCENARIOS = { components, paychain };

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "components,paychain" },
    rounds: { type: "string", default: "3" },
    rate: { type: "string", default: "1000" },
    seconds: { type: "string", default: "10" },
    write: { type: "boolean", default: false },
    command: { type: "string", default: "scripts/bench-browser" },
  },
});
const root = fileURLToPath(new URL("../../", import.meta.url));
const [rounds, rate, seconds] = [options.rounds, options.rate, options.seconds].map(Number);
const results = [];
let version = "";

const [load = 0] = loadavg();
if (load > 1)
  console.error(`other programs are busy (load ${load.toFixed(1)}): the figures will be too high`);

for (let round = 1; round <= rounds; round += 1) {
  for (const which of options.only.split(",")) {
    if (!SCENARIOS[which]) throw new Error(`there is no page ${which}: components, paychain`);
    const scenario = await SCENARIOS[which]();
    try {
      const result = await run(scenario);
      if (result) report({ round, ...result });
    } finally {
      scenario.close();
    }
  }
}

if (results.length > 0) {
  const text = table(results, { command: options.command, browser: `Chromium ${version}`, rate, seconds });
  console.log(`\n${text}`);
  if (options.write) write(`${root}docs/performance.md`, text);
  mkdirSync(`${root}bench-results`, { recursive: true });
  const file = `bench-results/browser-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "")}.jsonl`;
  writeFileSync(`${root}${file}`, results.map((result) => `${JSON.stringify(result)}\n`).join(""));
  console.error(`runs: ${file}`);
}
process.exitCode = results.length > 0 && isReached(results) ? 0 : 1;

function report(result) {
  results.push(result);
  const { round, name, busy, wall, total, lost, p99 } = result;
  const share = ((busy / wall) * 100).toFixed(1);
  console.error(
    `round ${round}  ${name}: ${share} % of the main thread, ${total - lost} of ${total} events, p99 ${p99} ms`,
  );
  for (const fault of faultsOf(result)) console.error(`  not good: ${fault}`);
}

/** One run. Nothing if the server lacks what the page needs. */
async function run(scenario) {
  const server = await startFanfare({ RUST_LOG: "warn" });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  version = browser.version();
  try {
    if (scenario.name !== "React components" && !(await hasApp(server))) {
      console.error(`${scenario.name}: this server has no app in it (scripts/run builds one); left out`);
      return undefined;
    }
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    await context.addInitScript(watchLongTasks);
    const { page, got, read, during } = await scenario.open(context, server);
    await page.waitForLoadState("networkidle").catch(() => undefined);
    await page.evaluate(() => globalThis.longTasks.splice(0));

    const over = new AbortController();
    const other = during?.(over.signal);
    const stop = await measure(page);
    const { total, largest } = await publishJobs(server, {
      rate,
      seconds,
      first: FIRST,
      target: scenario.target,
    });
    await arrived(got, total);
    const times = await stop();
    over.abort();
    await other;

    const { seen, ages, renders, faults } = await read();
    const ours = seen.filter((id) => id >= FIRST && id < FIRST + total);
    const different = new Set(ours).size;
    const tasks = await page.evaluate(() => globalThis.longTasks);
    return {
      name: scenario.name,
      ...times,
      total,
      largest,
      lost: total - different,
      doubled: ours.length - different,
      p50: percentile(ages, 0.5),
      p99: percentile(ages, 0.99),
      longest: tasks.length > 0 ? Math.max(...tasks) : 0,
      ...(renders ? { renders } : {}),
      faults,
    };
  } finally {
    await browser.close();
    await server.stop();
  }
}

async function arrived(got, total) {
  const end = performance.now() + PATIENCE;
  while ((await got()) < total && performance.now() < end) await pause(50);
}
