// Which toasts are on screen, which wait, and which are counted on another. No time and no page: see stack.ts and view.ts.

import type { Toast } from "./index.js";

/** A toast and how many others it stands for. */
export interface Entry {
  readonly id: number;
  readonly toast: Toast;
  /** Others of its group that are not shown by themselves. */
  more: number;
}

/** What became of a toast: shown, counted on one that is shown, or put aside. */
export type Placed =
  | { readonly as: "shown"; readonly entry: Entry }
  | { readonly as: "counted"; readonly entry: Entry }
  | { readonly as: "waiting"; readonly entry: Entry };

/**
 * At most `max` entries are visible, at most `maxWaiting` wait. Beyond that the oldest one that is not an error gives way,
 * and is only counted.
 */
export class ToastQueue {
  readonly visible: Entry[] = [];
  readonly #waiting: Entry[] = [];
  readonly #max: number;
  readonly #maxWaiting: number;
  #lastId = 0;
  #dropped = 0;

  constructor(max: number, maxWaiting: number) {
    this.#max = Math.max(1, Math.floor(max));
    this.#maxWaiting = Math.max(0, Math.floor(maxWaiting));
  }

  /** How many toasts are neither shown nor counted on one that is. */
  get hidden(): number {
    return this.#waiting.reduce((sum, entry) => sum + 1 + entry.more, this.#dropped);
  }

  add(toast: Toast): Placed {
    if (this.visible.length < this.#max) {
      const entry = this.#entry(toast);
      this.visible.push(entry);
      return { as: "shown", entry };
    }
    if (toast.group !== undefined) {
      const shown = this.visible.filter((entry) => entry.toast.group === toast.group).at(-1);
      if (shown) {
        shown.more += 1;
        return { as: "counted", entry: shown };
      }
      const waiting = this.#waiting.find((entry) => entry.toast.group === toast.group);
      if (waiting) {
        waiting.more += 1;
        return { as: "waiting", entry: waiting };
      }
    }
    const entry = this.#entry(toast);
    this.#wait(entry);
    return { as: "waiting", entry };
  }

  /** Takes an entry away, wherever it is. False if it is not there any more. */
  remove(id: number): boolean {
    for (const list of [this.visible, this.#waiting]) {
      const index = list.findIndex((entry) => entry.id === id);
      if (index >= 0) {
        list.splice(index, 1);
        if (this.#waiting.length === 0) this.#dropped = 0;
        return true;
      }
    }
    return false;
  }

  /** The entry whose turn it is, now visible; undefined if there is no room or nobody waits. */
  next(): Entry | undefined {
    if (this.visible.length >= this.#max) return undefined;
    const entry = this.#waiting.shift();
    if (entry) this.visible.push(entry);
    if (this.#waiting.length === 0) this.#dropped = 0;
    return entry;
  }

  clearWaiting(): void {
    this.#waiting.length = 0;
    this.#dropped = 0;
  }

  #entry(toast: Toast): Entry {
    this.#lastId += 1;
    return { id: this.#lastId, toast, more: 0 };
  }

  /** Errors go before the rest, each in the order in which they came. */
  #wait(entry: Entry): void {
    const firstOther = this.#waiting.findIndex(({ toast }) => toast.kind !== "error");
    if (entry.toast.kind === "error" && firstOther >= 0) this.#waiting.splice(firstOther, 0, entry);
    else this.#waiting.push(entry);
    while (this.#waiting.length > this.#maxWaiting) {
      const giving = Math.max(
        0,
        this.#waiting.findIndex(({ toast }) => toast.kind !== "error"),
      );
      const [gone] = this.#waiting.splice(giving, 1);
      this.#dropped += 1 + (gone?.more ?? 0);
    }
  }
}
