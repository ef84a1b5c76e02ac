// The environment of pages, Node and React Native: their clock, timers, chance, and what they know of the network.
// What a platform does not have is left out; nothing is touched before a client connects.

import type { Environment } from "./types.js";

/** The longest time that `setTimeout` knows; a longer one would fire at once. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * The platform's own environment. To replace a part of it: `{ ...platformEnvironment, watch: … }`.
 *
 * `wake` comes when a page is shown again, comes back from the browser's page cache, or is unfrozen.
 */
export const platformEnvironment: Environment = {
  now: () => Date.now(),
  setTimeout: (run, ms) => setTimeout(run, Math.min(ms, LONGEST_TIMEOUT)),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
  random: () => Math.random(),
  online: () => typeof navigator === "undefined" || navigator.onLine !== false,
  watch({ online, offline, wake }) {
    const shown = () => {
      if (document.visibilityState === "visible") wake();
    };
    const back = (event: Event) => {
      if ((event as PageTransitionEvent).persisted) wake();
    };
    const watched: [EventTarget | undefined, string, (event: Event) => void][] = [
      [onPage("addEventListener"), "online", online],
      [onPage("addEventListener"), "offline", offline],
      [onPage("addEventListener"), "pageshow", back],
      [onPage("document"), "visibilitychange", shown],
      [onPage("document"), "resume", wake],
    ];
    for (const [target, type, run] of watched) target?.addEventListener(type, run);
    return () => {
      for (const [target, type, run] of watched) target?.removeEventListener(type, run);
    };
  },
};

function onPage(member: "addEventListener" | "document"): EventTarget | undefined {
  const page = globalThis as { addEventListener?: unknown; document?: EventTarget };
  if (member === "document") return page.document?.addEventListener ? page.document : undefined;
  return typeof page.addEventListener === "function" ? globalThis : undefined;
}
