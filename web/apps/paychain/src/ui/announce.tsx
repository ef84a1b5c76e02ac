// One live region for the whole app, where results are told to screen readers: "Job posted". Mounted once, in app.tsx;
// toasts have their own.

import { useSyncExternalStore } from "react";

let text = "";
let turn = 0;
const listeners = new Set<() => void>();

/** Has screen readers say a sentence, after what they are just saying. The same sentence twice is said twice. */
export function announce(sentence: string): void {
  turn += 1;
  // A change is what makes it heard.
  text = turn % 2 === 0 ? sentence : `${sentence}\u00a0`;
  for (const listener of [...listeners]) listener();
}

/** The live region. */
export function Announcer() {
  const said = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => text,
    () => "",
  );
  return (
    <div role="status" aria-live="polite" className="visually-hidden">
      {said}
    </div>
  );
}
