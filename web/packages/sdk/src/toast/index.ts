// Toasts for a page without a framework: what can be asked for. The order of toasts is in queue.ts, their time in stack.ts,
// their elements in view.ts, their look in styles.ts. Knows nothing of a connection: an app shows what it wants to.

import { ToastStack } from "./stack.js";

/** What a toast tells of: it chooses the colour, the icon and how urgently it is read out. */
export type ToastKind = "success" | "error" | "info" | "warning";

/** What to show. All of it is shown as text, never as HTML. */
export interface Toast {
  /** One line of what happened; cut after 200 characters. */
  readonly title: string;
  /** One line of who or how much; cut after 500 characters. */
  readonly message?: string;
  /** Default: `info`. An error is read out at once, the others when the reader pauses. */
  readonly kind?: ToastKind;
  /** A character or emoji instead of the kind's icon. */
  readonly icon?: string;
  /** Milliseconds on screen, time under the pointer or with the focus not counted. `Infinity`, 0 or less: until it is closed. */
  readonly duration?: number;
  /** Toasts of one group that find no room are counted on one of them: "4 more". */
  readonly group?: string;
}

/** The words of the toasts that the app does not give itself. */
export interface ToastLabels {
  /** The name of the region. Default: `Notifications`. */
  readonly region: string;
  /** The name of the button that closes. Default: `Close`. */
  readonly close: string;
  /** How many more there are. Default: `4 more`. `group` is that of the toast on which they are counted. */
  more(count: number, group?: string): string;
  /** Read out before the title, as colour is not heard. Defaults: `Error`, `Warning`, and nothing for the others. */
  readonly kinds: Readonly<Record<ToastKind, string>>;
}

/** What a toaster is made with. */
export interface ToasterOptions {
  /** Where the toasts are put. Default: the element `#toast-container`, made at the end of the body if it is not there. */
  container?: HTMLElement;
  /** Toasts on screen at once. Default: 3. */
  max?: number;
  /** Toasts that may wait for room; of more, the oldest are only counted. Default: 20. */
  maxWaiting?: number;
  /** Milliseconds that a toast stays. Default: 5,000. */
  duration?: number;
  labels?: Partial<ToastLabels>;
  /** For the `<style>` element of browsers without constructed style sheets, under a content security policy. */
  nonce?: string;
}

/** Shows toasts, at most some at once. */
export interface Toaster {
  /** Shows a toast or puts it aside. The number is for `dismiss`; toasts that are counted on another have that one's. */
  show(toast: Toast): number;
  /** Closes one toast, or all of them and those that wait. A number that is not there any more does nothing. */
  dismiss(id?: number): void;
  /** Takes everything out of the page. A `show` after that does nothing and returns 0. */
  destroy(): void;
}

/**
 * Makes a toaster. Time stands still while the pointer or the focus is on a toast and while the page is hidden. A toast closes by
 * its button, and by Escape: the one with the focus, otherwise the newest, unless the focus is in a field or a dialog.
 *
 * @throws Error where there is no page.
 */
export function createToaster(options: ToasterOptions = {}): Toaster {
  const page = options.container?.ownerDocument ?? globalThis.document;
  if (!page) throw new Error("createToaster needs a page: there is no document here.");
  return new ToastStack(page, options);
}
