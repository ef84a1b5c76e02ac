// The page of the benchmark: components as an app would write them, each of which counts how often it was rendered. It is
// bundled, opened and read by scenarios.mjs; how fast events come is not its business.

import { createClient } from "@fanfare/client";
import type { EventMap } from "@fanfare/events";
import { createHooks, FanfareProvider, useChannel, useConnectionState } from "@fanfare/react";
import { memo, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

const { useEvent, useEventBatch } = createHooks<EventMap>();

/** Jobs in the list. */
const SHOWN = 50;

/** What the benchmark reads. */
const bench = {
  /** How often each component was rendered. */
  renders: {} as Record<string, number>,
  /** The `job_id` of every event that a handler got, in the order in which they came. */
  seen: [] as number[],
  /** From the event's timestamp to the handler, milliseconds, in the same order. */
  ages: [] as number[],
  /** Whether the connection is open and the channel subscribed. */
  ready: false,
};
Object.assign(globalThis, { bench });

function rendered(component: string) {
  bench.renders[component] = (bench.renders[component] ?? 0) + 1;
}

const Counter = memo(function Counter() {
  rendered("counter");
  const [count, setCount] = useState(0);
  useEvent("job_created", (job, event) => {
    bench.seen.push(job.job_id);
    bench.ages.push(Date.now() - Date.parse(event.timestamp));
  });
  useEventBatch("job_created", (events) => setCount((before) => before + events.length));
  return <output>{count}</output>;
});

type Job = EventMap["job_created"];

const Latest = memo(function Latest() {
  rendered("list");
  const [jobs, setJobs] = useState<readonly Job[]>([]);
  useEventBatch("job_created", (events) =>
    setJobs((before) => [...events.map(({ data }) => data).reverse(), ...before].slice(0, SHOWN)),
  );
  return (
    <ol>
      {jobs.map((job) => (
        <Row key={job.job_id} job={job} />
      ))}
    </ol>
  );
});

const Row = memo(function Row({ job }: { job: Job }) {
  return (
    <li>
      <strong>{job.title}</strong> <span>{job.job_type}</span> <span>${job.pay_amount_usd.toFixed(2)}</span>
    </li>
  );
});

/** Hears other events only. */
const Payments = memo(function Payments() {
  rendered("other event");
  const [last, setLast] = useState<number | null>(null);
  useEvent("payment_held", (payment) => setLast(payment.payment_id));
  return <p>Last payment: {last ?? "none"}</p>;
});

/** Follows the channel on which all of it comes, and the connection. */
const Status = memo(function Status() {
  rendered("channel and connection");
  const channel = useChannel("jobs");
  const { status } = useConnectionState();
  bench.ready = status === "open" && channel.status === "subscribed";
  return (
    <p>
      {status}, {channel.status}
    </p>
  );
});

function App() {
  rendered("app");
  return (
    <main>
      <h1>Jobs</h1>
      <Status />
      <Payments />
      <Counter />
      <Latest />
    </main>
  );
}

const url = new URLSearchParams(location.search).get("hub") ?? "/ws";
const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");
createRoot(root).render(
  <StrictMode>
    <FanfareProvider client={createClient<EventMap>({ url })}>
      <App />
    </FanfareProvider>
  </StrictMode>,
);
