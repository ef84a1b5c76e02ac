// What the page keeps in the browser's storage. Where there is none, or it is full or forbidden, it is kept until the page goes.

/** A place for short texts by key. */
export interface Kept {
  get(key: string): string | null;
  /** Null takes the key away. */
  set(key: string, value: string | null): void;
}

/** The storage of this tab (`session`) or of the whole origin (`local`). */
export function kept(kind: "session" | "local"): Kept {
  const instead = new Map<string, string>();
  // Already asking for it may throw: in a frame of another origin, or with cookies blocked.
  const storage = () => (kind === "session" ? globalThis.sessionStorage : globalThis.localStorage);
  return {
    get(key) {
      try {
        return storage()?.getItem(key) ?? instead.get(key) ?? null;
      } catch {
        return instead.get(key) ?? null;
      }
    },
    set(key, value) {
      if (value === null) instead.delete(key);
      else instead.set(key, value);
      try {
        if (value === null) storage()?.removeItem(key);
        else storage()?.setItem(key, value);
      } catch {
        // Kept in `instead`.
      }
    },
  };
}
