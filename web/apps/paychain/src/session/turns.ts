// How windows of one browser take turns, and tell each other at once what is done. The store they share is not enough for
// that: browsers show a window what another has written there only a little later, even after a lock was handed over.

/** Turns of windows. */
export interface Turns {
  /** Runs `work` while nobody else is in a turn of that name. */
  take<Result>(name: string, work: () => Promise<Result>): Promise<Result>;
  /** Notes a name for all windows, for some seconds. It is noted when the promise is fulfilled. */
  note(name: string): Promise<void>;
  /** Whether a name was noted by any window. */
  noted(name: string): Promise<boolean>;
}

/** How long a note lasts, in milliseconds: far longer than a store needs to show a change. */
const NOTE = 5_000;

/**
 * The browser's locks, which all windows share, for turns and notes alike: a note is a lock that is held for a while.
 * Where the browser has none, as on pages without https, those of this window.
 */
export function browserTurns(): Turns {
  const locks = navigator.locks as LockManager | undefined;
  if (!locks) return windowTurns();
  return {
    take: async (name, work) => locks.request(name, work),
    note: (name) =>
      new Promise((noted, failed) => {
        const held = () => {
          noted();
          return new Promise<void>((released) => setTimeout(released, NOTE));
        };
        // Taken already: it is noted. The promise of the lock itself ends with the note.
        locks.request(name, { ifAvailable: true }, held).catch(failed);
      }),
    noted: async (name) => (await locks.query()).held?.some((lock) => lock.name === name) ?? false,
  };
}

/** Turns that only this window knows. It sees its own changes of the store at once, so it needs no notes. */
export function windowTurns(): Turns {
  const ends = new Map<string, Promise<unknown>>();
  return {
    take: (name, work) => {
      const before = ends.get(name) ?? Promise.resolve();
      const mine = before.then(work, work);
      ends.set(
        name,
        mine.catch(() => undefined),
      );
      return mine;
    },
    note: async () => {},
    noted: async () => false,
  };
}
