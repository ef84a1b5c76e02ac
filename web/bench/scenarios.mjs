// The pages that are measured: how each is opened, what reaches it, and how one reads what it got. The measuring itself is in
// measure.mjs, the rounds are in run.mjs.

import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { PayChain } from "../browser-tests/paychain.mjs";
import { register } from "../browser-tests/people.mjs";

/** The first `job_id` of the events that are published: above all ids of jobs that are really there. */
export const FIRST = 1_000_000;

/** Rows of one height that say so, as a list does that is long: without numbers, which would change in all of them. */
const HTML = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Benchmark</title>
<style>
body { font: 14px system-ui, sans-serif }
ol { margin: 0; padding: 0; list-style: none }
li { height: 24px; overflow: hidden; contain: strict; white-space: nowrap }
</style>
<div id="root"></div><script type="module" src="/page.js"></script>`;

/** Jobs that are there before the events come, as in a market that is in use. */
const JOBS = 60;

/** Milliseconds between two jobs that are really posted while the events come, so that the list has something to show. */
const POSTING = 200;

/** Components that only an event of theirs may render. */
const STILL = ["app", "other event", "channel and connection"];

/** A page of React components with the hooks of `@fanfare/react`; everything comes on a channel. */
export async function components() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("page.tsx", import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    jsx: "automatic",
    conditions: ["fanfare-source"],
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const site = createServer(({ url }, response) => {
    const script = url === "/page.js";
    response.setHeader("content-type", script ? "text/javascript" : "text/html");
    response.end(script ? outputFiles[0].contents : HTML);
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  return {
    name: "React components",
    target: { channel: "jobs" },
    async open(context, server) {
      const page = await context.newPage();
      const hub = encodeURIComponent(`${server.url}ws`);
      await page.goto(`http://127.0.0.1:${site.address().port}/?hub=${hub}`);
      await page.waitForFunction(() => globalThis.bench?.ready);
      const before = await page.evaluate(() => ({ ...globalThis.bench.renders }));
      return {
        page,
        got: () => page.evaluate(() => globalThis.bench.seen.length),
        async read() {
          const { seen, ages, renders } = await page.evaluate(() => globalThis.bench);
          const since = Object.fromEntries(
            Object.entries(renders).map(([component, count]) => [component, count - before[component]]),
          );
          const rendered = STILL.filter((component) => since[component] !== 0);
          const shown = await page.evaluate(() => Number(document.querySelector("output").textContent));
          return { seen, ages, renders: since, faults: faults(rendered, shown, seen.length) };
        },
      };
    },
    close() {
      site.closeAllConnections();
      site.close();
    },
  };
}

function faults(rendered, shown, seen) {
  return [
    ...rendered.map((component) => `"${component}" was rendered by events that it does not use`),
    ...(shown === seen ? [] : [`the page shows ${shown} of ${seen} events`]),
  ];
}

/**
 * The PayChain app at the job list of an employer; everything comes to everyone, as from the job service. Five jobs a second are
 * real, the others are known to the hub alone.
 */
export async function paychain() {
  return {
    name: "PayChain's job list",
    target: {},
    async open(context, server) {
      const employer = await register(server, "employer", "Erin Employer");
      for (let n = 1; n <= JOBS; n += 1) await employer.post({ title: `Job ${n}`, pay_amount_usd: 1 });
      const page = await context.newPage();
      await page.addInitScript(watchSockets);
      await page.goto(server.url);
      const app = new PayChain(page);
      await app.signIn(employer);
      await app.row(`Job ${JOBS}`).waitFor();
      await page.waitForFunction(() => globalThis.sockets.subscribed);
      // What the jobs themselves told.
      await page.evaluate(() => globalThis.sockets.seen.splice(0));
      return {
        page,
        got: () => page.evaluate((from) => globalThis.sockets.seen.filter((id) => id >= from).length, FIRST),
        async during(signal) {
          for (let n = JOBS + 1; !signal.aborted; n += 1) {
            await employer.post({ title: `Job ${n}`, pay_amount_usd: 1 });
            await pause(POSTING);
          }
        },
        async read() {
          const { seen, ages } = await page.evaluate(() => globalThis.sockets);
          return { seen, ages, faults: [] };
        },
      };
    },
    close() {},
  };
}

/** Whether a server has the app built in. */
export async function hasApp(server) {
  const page = await (await fetch(server.url, { headers: { accept: "text/html" } })).text();
  return page.includes('id="root"');
}

/**
 * Installed in the app's page before anything else: keeps what the app's own handler of its socket was called with. The app is
 * the one that is shipped, so nothing inside of it tells.
 */
function watchSockets() {
  const sockets = { seen: [], ages: [], subscribed: false };
  Object.assign(globalThis, { sockets });
  const onmessage = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
  Object.defineProperty(WebSocket.prototype, "onmessage", {
    ...onmessage,
    set(handler) {
      onmessage.set.call(
        this,
        handler &&
          function (event) {
            handler.call(this, event);
            const text = String(event.data);
            if (text.startsWith('{"type":"subscribed"')) sockets.subscribed = true;
            if (!text.startsWith('{"type":"job_created"')) return;
            sockets.seen.push(Number(/"job_id":(\d+)/.exec(text)?.[1]));
            sockets.ages.push(Date.now() - Date.parse(/"timestamp":"([^"]+)"/.exec(text)?.[1]));
          },
      );
    },
  });
}
