// Whether somebody is at the toasts: under the pointer, with the keyboard, or not at the page at all. And what the keyboard
// does there: Escape, and where the focus goes when the toast that has it is closed. What a toast is, sonner's attributes tell.

/** What attention does. */
export interface Attended {
  pause(): void;
  resume(): void;
  /** Closes the toast with this id, or all. */
  close(id: string | null): void;
}

/** Watches sonner's section until the returned function is called. The id of a toast stands in `data-toast` of its title. */
export function watchAttention(region: HTMLElement, toasts: Attended): () => void {
  let pointer = false;
  let before: Element | null = null;

  const judge = () => {
    if (region.childElementCount === 0) pointer = false;
    const busy = pointer || document.visibilityState === "hidden" || region.contains(document.activeElement);
    if (busy) toasts.pause();
    else toasts.resume();
  };

  const enter = () => {
    pointer = true;
    judge();
  };
  const leave = () => {
    pointer = false;
    judge();
  };
  const focusIn = (event: FocusEvent) => {
    const from = event.relatedTarget;
    if (from instanceof Element && !region.contains(from)) before = from;
    judge();
  };
  // The focus is nowhere while it moves.
  const focusOut = () => queueMicrotask(judge);

  /** Closes a toast (or all), with the focus on the next one, or where it was before it came here. */
  const close = (item: Element | null) => {
    const id = item?.querySelector<HTMLElement>("[data-toast]")?.dataset.toast ?? null;
    if (item === null || id !== null) toasts.close(id);
    const neighbour = [item?.nextElementSibling, item?.previousElementSibling].find(
      (other) => other instanceof HTMLElement && other.dataset.removed !== "true",
    );
    const next = neighbour ?? before;
    if (next instanceof HTMLElement && next.isConnected) next.focus({ preventScroll: true });
  };

  const key = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !(event.target instanceof Element)) return;
    close(event.target.closest("[data-sonner-toast]"));
  };
  const click = (event: MouseEvent) => {
    // From the keyboard only (no click count): the pointer needs no focus.
    if (event.detail !== 0 || !(event.target instanceof Element)) return;
    if (event.target.closest("[data-close-button]") !== null) {
      close(event.target.closest("[data-sonner-toast]"));
    }
  };

  const changes = new MutationObserver(judge);
  changes.observe(region, { childList: true, subtree: true });
  const stop = new AbortController();
  const { signal } = stop;
  region.addEventListener("pointerenter", enter, { signal });
  region.addEventListener("pointerleave", leave, { signal });
  region.addEventListener("focusin", focusIn, { signal });
  region.addEventListener("focusout", focusOut, { signal });
  region.addEventListener("keydown", key, { signal });
  region.addEventListener("click", click, { signal });
  document.addEventListener("visibilitychange", judge, { signal });
  judge();
  return () => {
    stop.abort();
    changes.disconnect();
  };
}
