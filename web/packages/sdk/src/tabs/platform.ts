// What tabs need of the browser: locks, a channel, and what becomes of the page. Tests have their own.

import type { Remove } from "../types.js";

/** The part of `navigator.locks` that is used. */
export interface Locks {
  request(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean },
    held: () => Promise<void>,
  ): Promise<unknown>;
  query(): Promise<{ held?: readonly { name?: string; clientId?: string }[] }>;
}

/** The part of a `BroadcastChannel` that is used. */
export interface Channel {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** A page's browser. */
export interface TabsPlatform {
  readonly locks: Locks;
  channel(name: string): Channel;
  /** A name that no other tab has. */
  id(): string;
  visible(): boolean;
  /**
   * `shown` when the page becomes visible or hidden; `leave` when it is left or frozen; `back` when it is shown from the browser's
   * page cache or unfrozen after that.
   */
  watch(listeners: { shown(): void; leave(): void; back(): void }): Remove;
}

/** The browser's, or undefined where something is missing: no secure context, no page, an old browser. */
export function browserPlatform(): TabsPlatform | undefined {
  try {
    const locks = (globalThis.navigator as { locks?: Locks } | undefined)?.locks;
    const page = globalThis.document;
    if (!locks?.query || !page || typeof BroadcastChannel === "undefined") return undefined;
    return {
      locks,
      channel: (name) => new BroadcastChannel(name) as Channel,
      id: () => crypto.randomUUID(),
      visible: () => page.visibilityState === "visible",
      watch({ shown, leave, back }) {
        const watched: [EventTarget, string, () => void][] = [
          [page, "visibilitychange", shown],
          [globalThis, "pagehide", leave],
          [page, "freeze", leave],
          [globalThis, "pageshow", back],
          [page, "resume", back],
        ];
        for (const [target, type, run] of watched) target.addEventListener(type, run);
        return () => {
          for (const [target, type, run] of watched) target.removeEventListener(type, run);
        };
      },
    };
  } catch {
    // A sandboxed frame may throw where others have `undefined`.
    return undefined;
  }
}
