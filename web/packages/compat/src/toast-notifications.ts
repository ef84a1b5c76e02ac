// /js/toast-notifications.js: the global `showToast`. The toasts themselves are the SDK's: text only, three at once and the rest
// counted, read out, light and dark, and without anything that a strict content security policy forbids.

import { createToaster, type Toaster, type ToastKind } from "../../sdk/src/toast/index.js";

/** Milliseconds on screen where nobody says otherwise. */
const DURATION = 5_000;

/** Toasts that are kept for a page that has no body yet; of more, the newest are kept. */
const MAX_EARLY = 20;

const KINDS: readonly string[] = ["success", "error", "info", "warning"];

/** The global's shape. */
export type ShowToast = (title: unknown, message?: unknown, type?: ToastKind, duration?: number) => void;

let toaster: Toaster | undefined;
const early: (() => void)[] = [];

/**
 * Shows a toast at the top right. `type` chooses colour, icon and urgency; anything but the four is `info`. `duration` is in
 * milliseconds; 0 or less: until it is closed. All of it is shown as text.
 */
const showToast: ShowToast = (title, message, type = "info", duration = DURATION) => {
  const kind = (KINDS.includes(type) ? type : "info") as ToastKind;
  const head = text(title);
  const body = text(message);
  const show = () => {
    toaster ??= createToaster();
    toaster.show({
      title: head,
      message: body,
      kind,
      duration: Number.isFinite(duration) ? duration : DURATION,
      // What went wrong is shown one by one; of the rest, equal ones that find no room are counted.
      ...(kind === "error" ? {} : { group: `${kind}: ${head}` }),
    });
  };
  if (document.body) return show();
  early.push(show);
  if (early.length > MAX_EARLY) early.shift();
};

function text(value: unknown): string {
  return value === null || value === undefined ? "" : String(value);
}

/** What is read out must be there, empty, before its text; so the container is made with the page. */
function prepare(): void {
  toaster ??= createToaster();
  for (const show of early.splice(0)) show();
}

Object.assign(globalThis, { showToast });
if (document.body) prepare();
else document.addEventListener("DOMContentLoaded", prepare, { once: true });
