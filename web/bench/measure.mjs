// What a page's main thread did between two moments, by the browser's own clock. Knows nothing of what the page shows.

/** Begins to measure a page; the returned function ends it and gives the seconds of each kind. */
export async function measure(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "timeTicks" });
  const read = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
  const before = await read();
  return async () => {
    const after = await read();
    await session.detach();
    const of = (name) => after[name] - before[name];
    return {
      wall: of("Timestamp"),
      /** All tasks of the main thread from begin to end, also while other threads and programs had its core. */
      busy: of("TaskDuration"),
      /** What of it the main thread itself was running. */
      cpu: of("ThreadTime"),
      script: of("ScriptDuration"),
      style: of("RecalcStyleDuration"),
      layout: of("LayoutDuration"),
    };
  };
}

/** Installed in a page before anything else: keeps how long tasks over 50 ms were. */
export function watchLongTasks() {
  const tasks = [];
  Object.assign(globalThis, { longTasks: tasks });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) tasks.push(Math.round(entry.duration));
  }).observe({ type: "longtask" });
}
