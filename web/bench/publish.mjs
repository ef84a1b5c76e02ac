// Publishes events at a steady rate. Knows nothing of pages.

import { setTimeout as pause } from "node:timers/promises";

/** Milliseconds between two batches, as long as the server keeps up. */
const TICK = 10;

/** As many as `POST /broadcast/batch` takes. */
const MOST = 1_000;

/**
 * Publishes `rate` × `seconds` events of the type `job_created`, numbered from `first` by `job_id`. What is due goes out every 10 ms;
 * if a call takes longer, the next one takes more. Gives the milliseconds that it took and the largest batch.
 */
export async function publishJobs(server, { rate, seconds, first, target }) {
  const total = rate * seconds;
  const began = performance.now();
  let sent = 0;
  let largest = 0;
  while (sent < total) {
    const due = Math.min(total, Math.floor(((performance.now() - began) * rate) / 1_000) + 1);
    const batch = Math.min(due - sent, MOST);
    if (batch > 0) {
      const jobs = Array.from({ length: batch }, (_, at) => job(first + sent + at));
      const answers = await server.publishAll(jobs.map((data) => ({ type: "job_created", data, ...target })));
      const failed = answers.find((answer) => !answer.success || answer.recipients < 1);
      if (failed) throw new Error(`an event was not published to the page: ${JSON.stringify(failed)}`);
      sent += batch;
      largest = Math.max(largest, batch);
    }
    const next = began + Math.ceil((performance.now() - began + 1) / TICK) * TICK;
    await pause(Math.max(0, next - performance.now()));
  }
  return { total, largest, took: performance.now() - began };
}

function job(job_id) {
  return { job_id, title: `Walk ${job_id} dogs`, pay_amount_usd: 25 + (job_id % 100), job_type: "other" };
}
