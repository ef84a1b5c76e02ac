// Which toasts stand on the screen: at most three, two about one thing joined, the rest of a burst counted in one.
// No React and no sonner here: what is on the screen is told to a `Screen`, and time is that of the platform's timers.

import type { EventToast } from "./catalogue.js";

/** So many toasts are there at once, those included that are just going. */
export const MOST_TOASTS = 3;
/** Toasts with the same key within this time are one. Milliseconds. */
export const JOIN_WINDOW = 2_000;
/** The shortest time between two updates of the toast that counts; a screen reader could not follow more. Milliseconds. */
export const COUNT_INTERVAL = 500;
/** How long a toast takes to go. Milliseconds. */
const LEAVING = 300;
/** The shortest time that is left after a pause. Milliseconds. */
const SHORTEST = 1_000;
/** So many keys are remembered of a burst and of toasts that wait for another; beyond, the oldest is forgotten. */
const MOST_KEYS = 500;

/** What stands in a toast. */
export interface ToastText {
  readonly icon: string;
  readonly title: string;
  readonly amount: string | undefined;
  readonly subject: string | undefined;
}

/** Where toasts are shown. */
export interface Screen {
  /** Shows a toast, or changes the one with this id. */
  show(id: string, text: ToastText): void;
  hide(id: string): void;
}

/** How a stack behaves; asked anew each time. */
export interface StackSettings {
  /** How long a toast stands. Milliseconds. */
  readonly duration: () => number;
  /** The title of the toast that counts; `plural` is undefined if its events are of several kinds. */
  readonly more: (count: number, plural: string | undefined) => string;
  /** What stands below that title, made of the newest event's subject. */
  readonly latest: (subject: string) => string;
}

/** The toasts of one screen. */
export interface Stack {
  /** Shows a toast, joins it to one that is there, or counts it. */
  add(toast: EventToast): void;
  /** The toast was closed on the screen. */
  gone(id: string): void;
  /** Stops the time of all toasts, and lets it go on. */
  pause(): void;
  resume(): void;
  /** Takes one toast away, or with null all. */
  close(id: string | null): void;
  /** Takes all toasts away; none comes after. */
  end(): void;
}

interface Entry {
  readonly id: string;
  toast: EventToast;
  /** How many events it stands for; above 1 it counts them. */
  count: number;
  plural: string | undefined;
  /** The keys of all that it stands for, and when each came, the oldest first. */
  readonly keys: Map<string, number>;
  state: "waiting" | "shown" | "leaving";
  left: number;
  ends: number;
  closer: ReturnType<typeof setTimeout> | undefined;
  updater: ReturnType<typeof setTimeout> | undefined;
}

/** Ids are given once in a page: sonner remembers those that are gone. */
let number = 0;

/** Makes a stack. */
export function createStack(screen: Screen, settings: StackSettings): Stack {
  let entries: Entry[] = [];
  const companions = new Map<string, { toast: EventToast; at: number }>();
  let paused = false;
  let ended = false;

  const live = () => entries.filter((entry) => entry.state !== "leaving");

  const run = (entry: Entry) => {
    clearTimeout(entry.closer);
    if (paused || entry.state !== "shown") return;
    entry.ends = Date.now() + entry.left;
    entry.closer = setTimeout(() => close(entry), entry.left);
  };

  const draw = (entry: Entry) => {
    const { icon, title, amount, subject } = entry.toast;
    if (entry.count === 1) screen.show(entry.id, { icon, title, amount, subject });
    else {
      screen.show(entry.id, {
        icon,
        title: settings.more(entry.count, entry.plural),
        amount: undefined,
        subject: subject === undefined ? undefined : settings.latest(subject),
      });
    }
  };

  /** Draws an entry that changed, and gives it its full time again. A count is drawn at most twice a second. */
  const refresh = (entry: Entry) => {
    entry.left = settings.duration();
    run(entry);
    if (entry.state !== "shown" || entry.updater !== undefined) return;
    draw(entry);
    if (entry.count === 1) return;
    const count = entry.count;
    entry.updater = setTimeout(() => {
      entry.updater = undefined;
      if (entry.state === "shown" && entry.count !== count) refresh(entry);
    }, COUNT_INTERVAL);
  };

  const appear = (entry: Entry) => {
    entry.state = "shown";
    refresh(entry);
  };

  const close = (entry: Entry) => {
    leave(entry);
    screen.hide(entry.id);
  };

  const leave = (entry: Entry) => {
    clearTimeout(entry.closer);
    clearTimeout(entry.updater);
    entry.state = "leaving";
    entry.closer = setTimeout(() => {
      entries = entries.filter((other) => other !== entry);
      const next = entries.find((other) => other.state === "waiting");
      if (next !== undefined) appear(next);
    }, LEAVING);
  };

  const open = (toast: EventToast) => {
    const entry: Entry = {
      id: `fanfare-${++number}`,
      toast,
      count: 1,
      plural: toast.plural,
      keys: new Map(toast.key === undefined ? [] : [[toast.key, Date.now()]]),
      state: "waiting",
      left: settings.duration(),
      ends: 0,
      closer: undefined,
      updater: undefined,
    };
    entries.push(entry);
    if (entries.length <= MOST_TOASTS) appear(entry);
  };

  const count = (entry: Entry, toast: EventToast) => {
    entry.toast = toast;
    entry.count += 1;
    if (entry.plural !== toast.plural) entry.plural = undefined;
    if (toast.key !== undefined) {
      entry.keys.delete(toast.key);
      entry.keys.set(toast.key, Date.now());
      forgetOldest(entry.keys);
    }
    refresh(entry);
  };

  /** The toast that an event with this key belongs to, if there is one and it is not too old. */
  const partner = (key: string) => {
    const since = Date.now() - JOIN_WINDOW;
    return live().find((entry) => (entry.keys.get(key) ?? 0) > since);
  };

  /** What was kept for a toast with this key, taken out. */
  const companion = (key: string) => {
    const kept = companions.get(key);
    companions.delete(key);
    return kept !== undefined && kept.at > Date.now() - JOIN_WINDOW ? kept.toast : undefined;
  };

  return {
    add(toast) {
      if (ended) return;
      if (toast.key !== undefined) {
        const entry = partner(toast.key);
        if (entry !== undefined) {
          if (entry.count > 1) return;
          entry.toast = join(entry.toast, toast);
          refresh(entry);
          return;
        }
      }
      if (toast.onlyJoined === true) {
        if (toast.key === undefined) return;
        companions.set(toast.key, { toast, at: Date.now() });
        forgetOldest(companions);
        return;
      }
      const kept = toast.key === undefined ? undefined : companion(toast.key);
      const whole = kept === undefined ? toast : join(kept, toast);

      const there = live();
      const newest = there.at(-1);
      const counting = there.find((entry) => entry.count > 1);
      if (counting !== undefined) count(counting, whole);
      else if (entries.length < MOST_TOASTS || newest === undefined) open(whole);
      else count(newest, whole);
    },
    gone(id) {
      const entry = entries.find((other) => other.id === id);
      if (entry?.state === "shown") leave(entry);
    },
    pause() {
      if (paused) return;
      paused = true;
      for (const entry of entries) {
        if (entry.state !== "shown") continue;
        clearTimeout(entry.closer);
        entry.left = Math.max(SHORTEST, entry.ends - Date.now());
      }
    },
    resume() {
      if (!paused) return;
      paused = false;
      for (const entry of entries) run(entry);
    },
    close(id) {
      for (const entry of live()) {
        if (entry.state === "shown" && (id === null || entry.id === id)) close(entry);
      }
    },
    end() {
      ended = true;
      for (const entry of entries) {
        clearTimeout(entry.closer);
        clearTimeout(entry.updater);
        if (entry.state === "shown") screen.hide(entry.id);
      }
      entries = [];
      companions.clear();
    },
  };
}

/** Two toasts about one thing as one: icon and title of the higher rank, and what either knows. */
export function join(first: EventToast, second: EventToast): EventToast {
  const leads = (second.rank ?? 0) >= (first.rank ?? 0);
  const [lead, other] = leads ? [second, first] : [first, second];
  const amount = lead.amount ?? other.amount;
  const subject = lead.subject ?? other.subject;
  return {
    ...lead,
    ...(amount === undefined ? {} : { amount }),
    ...(subject === undefined ? {} : { subject }),
    onlyJoined: first.onlyJoined === true && second.onlyJoined === true,
  };
}

function forgetOldest(keys: Map<string, unknown>): void {
  if (keys.size <= MOST_KEYS) return;
  for (const oldest of keys.keys()) {
    keys.delete(oldest);
    return;
  }
}
