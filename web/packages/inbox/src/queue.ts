// Calls that change the inbox, one after the other: read and unread of the same notification end as the person wanted, in whatever
// time they take.

/** The most that waits; what comes beyond is refused. A person who clicks does not reach it. */
const MOST_WAITING = 100;

/** Runs tasks in the order in which they were given. */
export interface Queue {
  readonly isFull: boolean;
  /** Tasks must not reject. */
  run<T>(task: () => Promise<T>): Promise<T>;
}

/** An empty queue. */
export function queue(): Queue {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return {
    get isFull() {
      return waiting >= MOST_WAITING;
    },
    run(task) {
      waiting += 1;
      const done = last.then(task).finally(() => {
        waiting -= 1;
      });
      last = done.catch(() => {});
      return done;
    },
  };
}
