// Whose messages are being looked at in this window: they are as good as read, and nowhere counted.

import { useSyncExternalStore } from "react";
import type { PersonId } from "./person";

let looked: PersonId | null = null;
const listeners = new Set<() => void>();

/** Says that the conversation with somebody is looked at. Returns what takes that back. */
export function attend(peer: PersonId): () => void {
  set(peer);
  return () => set(null);
}

/** The one that is looked at; null for none. */
export function useAttended(): PersonId | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => looked,
  );
}

function set(peer: PersonId | null): void {
  looked = peer;
  for (const listener of [...listeners]) listener();
}
