// The toaster itself: when toasts come, wait and go. Their order is in queue.ts, their elements in view.ts.

import type { Toast, Toaster, ToasterOptions, ToastLabels } from "./index.js";
import { type Entry, ToastQueue } from "./queue.js";
import { ToastView } from "./view.js";

const LABELS: ToastLabels = {
  region: "Notifications",
  close: "Close",
  more: (count) => `${count} more`,
  kinds: { success: "", info: "", warning: "Warning", error: "Error" },
};
/** A toast on which another was counted stays at least so long, that the number can be read. */
const COUNTED_MS = 2_000;
/** The longest time that timers take. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Escape means something else there. */
const ELSEWHERE =
  "input, textarea, select, dialog, [contenteditable], [role=dialog], [role=menu], [role=listbox]";

/** The time that a toast has left. `timer` is null while time stands still. */
interface Clock {
  left: number;
  since: number;
  timer: ReturnType<typeof setTimeout> | null;
}

export class ToastStack implements Toaster {
  readonly #page: Document;
  readonly #duration: number;
  readonly #queue: ToastQueue;
  readonly #view: ToastView;
  readonly #clocks = new Map<number, Clock>();
  #running = true;
  #destroyed = false;

  constructor(page: Document, options: ToasterOptions) {
    this.#page = page;
    this.#duration = options.duration ?? 5_000;
    this.#queue = new ToastQueue(options.max ?? 3, options.maxWaiting ?? 20);
    const labels = { ...LABELS, ...options.labels, kinds: { ...LABELS.kinds, ...options.labels?.kinds } };
    this.#view = new ToastView(page, options.container, labels, options.nonce, {
      close: (id) => this.dismiss(id),
      hold: () => this.#hold(),
    });
    page.addEventListener("keydown", this.#onKey);
    page.addEventListener("visibilitychange", this.#hold);
    this.#hold();
  }

  show(toast: Toast): number {
    if (this.#destroyed) return 0;
    const { as, entry } = this.#queue.add(toast);
    if (as === "shown") this.#appear(entry);
    if (as === "counted") {
      this.#view.count(entry);
      this.#extend(entry.id);
    }
    this.#view.rest(this.#queue.hidden);
    return entry.id;
  }

  dismiss(id?: number): void {
    if (this.#destroyed) return;
    if (id === undefined) {
      this.#queue.clearWaiting();
      for (const entry of [...this.#queue.visible]) this.#leave(entry.id);
    } else if (this.#clocks.has(id)) {
      this.#leave(id);
    } else if (!this.#queue.visible.some((entry) => entry.id === id)) {
      this.#queue.remove(id);
    }
    this.#view.rest(this.#queue.hidden);
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    for (const clock of this.#clocks.values()) stop(clock);
    this.#clocks.clear();
    this.#page.removeEventListener("keydown", this.#onKey);
    this.#page.removeEventListener("visibilitychange", this.#hold);
    this.#view.destroy();
  }

  #appear(entry: Entry): void {
    this.#view.add(entry);
    const wanted = entry.toast.duration ?? this.#duration;
    const left = wanted > 0 && wanted <= MAX_TIMER_MS ? wanted : Number.POSITIVE_INFINITY;
    this.#clocks.set(entry.id, { left, since: 0, timer: null });
    this.#start(entry.id);
  }

  /** The entry keeps its place until it has left the screen. */
  #leave(id: number): void {
    const clock = this.#clocks.get(id);
    if (!clock) return;
    stop(clock);
    this.#clocks.delete(id);
    this.#view.remove(id, () => {
      if (this.#destroyed) return;
      this.#queue.remove(id);
      const next = this.#queue.next();
      if (next) this.#appear(next);
      this.#view.rest(this.#queue.hidden);
      this.#hold();
    });
  }

  #start(id: number): void {
    const clock = this.#clocks.get(id);
    if (!clock || !this.#running || clock.timer !== null || clock.left === Number.POSITIVE_INFINITY) return;
    clock.since = Date.now();
    clock.timer = setTimeout(() => this.#leave(id), clock.left);
  }

  #extend(id: number): void {
    const clock = this.#clocks.get(id);
    if (!clock) return;
    stop(clock);
    clock.left = Math.max(clock.left, COUNTED_MS);
    this.#start(id);
  }

  /** Stops or starts the time of all toasts. */
  #hold = (): void => {
    if (this.#destroyed) return;
    const running = !this.#view.held && this.#page.visibilityState !== "hidden";
    if (running === this.#running) return;
    this.#running = running;
    for (const [id, clock] of this.#clocks) {
      if (running) this.#start(id);
      else stop(clock);
    }
  };

  #onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
    const focused = this.#view.focused;
    const target = event.target;
    if (focused === undefined && target instanceof Element && target.closest(ELSEWHERE)) return;
    const id = focused ?? this.#queue.visible.filter((entry) => this.#clocks.has(entry.id)).at(-1)?.id;
    if (id !== undefined) this.dismiss(id);
  };
}

function stop(clock: Clock): void {
  if (clock.timer === null) return;
  clearTimeout(clock.timer);
  clock.timer = null;
  clock.left = Math.max(0, clock.left - (Date.now() - clock.since));
}
