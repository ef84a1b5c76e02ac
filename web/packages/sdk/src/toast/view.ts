// The elements of the toasts. Text goes in as text only. No time and no order: see stack.ts.

import type { ToastKind, ToastLabels } from "./index.js";
import type { Entry } from "./queue.js";
import { addStyles } from "./styles.js";

const CONTAINER_ID = "toast-container";
const ICONS: Readonly<Record<ToastKind, string>> = { success: "✓", error: "!", warning: "!", info: "i" };
const MAX_TITLE = 200;
const MAX_MESSAGE = 500;
/** As long as the transition in styles.ts takes. */
const LEAVING_MS = 160;

/** The elements of one toast. */
interface Card {
  readonly element: HTMLLIElement;
  readonly more: HTMLElement;
  readonly close: HTMLButtonElement;
  readonly spoken: HTMLElement;
}

/** What people do with the toasts. */
export interface ViewEvents {
  close(id: number): void;
  /** The pointer or the focus came or went. */
  hold(): void;
}

/** The container with its list, the line for the rest, and two regions that are read out. */
export class ToastView {
  readonly #page: Document;
  readonly #labels: ToastLabels;
  readonly #events: ViewEvents;
  readonly #container: HTMLElement;
  readonly #madeContainer: boolean;
  readonly #list: HTMLOListElement;
  readonly #rest: HTMLElement;
  readonly #polite: HTMLElement;
  readonly #assertive: HTMLElement;
  readonly #cards = new Map<number, Card>();
  readonly #removeStyles: () => void;
  /** Where the focus was before it came here. */
  #before: HTMLElement | null = null;
  #hovered = false;

  constructor(
    page: Document,
    container: HTMLElement | undefined,
    labels: ToastLabels,
    nonce: string | undefined,
    events: ViewEvents,
  ) {
    this.#page = page;
    this.#labels = labels;
    this.#events = events;
    this.#removeStyles = addStyles(page, nonce);
    const found = container ?? page.getElementById(CONTAINER_ID);
    this.#madeContainer = found === null;
    this.#container = found ?? page.createElement("div");
    if (found === null) {
      this.#container.id = CONTAINER_ID;
      page.body.append(this.#container);
    }
    this.#container.classList.add("fanfare-toasts");
    this.#container.setAttribute("role", "region");
    this.#container.setAttribute("aria-label", labels.region);

    this.#list = page.createElement("ol");
    this.#rest = this.#part("p", "fanfare-toasts-rest");
    this.#rest.hidden = true;
    // A region is read out only if it was there, empty, before its text.
    this.#polite = this.#part("div", "fanfare-toasts-spoken");
    this.#polite.setAttribute("role", "status");
    this.#polite.setAttribute("aria-live", "polite");
    this.#polite.setAttribute("aria-atomic", "false");
    this.#assertive = this.#part("div", "fanfare-toasts-spoken");
    this.#assertive.setAttribute("role", "alert");
    this.#assertive.setAttribute("aria-live", "assertive");
    this.#assertive.setAttribute("aria-atomic", "false");
    this.#container.append(this.#polite, this.#assertive, this.#list, this.#rest);

    this.#list.addEventListener("pointerenter", this.#onPointer);
    this.#list.addEventListener("pointerleave", this.#onPointer);
    this.#list.addEventListener("focusin", this.#onFocusIn);
    this.#list.addEventListener("focusout", this.#onFocusOut);
  }

  /** Whether somebody is at a toast with the pointer or the focus. */
  get held(): boolean {
    return this.#hovered || this.focused !== undefined;
  }

  /** The toast that has the focus. */
  get focused(): number | undefined {
    const active = this.#page.activeElement;
    if (!active || !this.#list.contains(active)) return undefined;
    for (const [id, card] of this.#cards) if (card.element.contains(active)) return id;
    return undefined;
  }

  /** Puts a toast at the top and has it read out. */
  add(entry: Entry): void {
    const { toast, id } = entry;
    const kind = toast.kind ?? "info";
    const element = this.#page.createElement("li");
    element.className = "fanfare-toast";
    element.dataset.kind = kind;

    const icon = this.#part("span", "fanfare-toast-icon", toast.icon ?? ICONS[kind]);
    icon.setAttribute("aria-hidden", "true");
    if (toast.icon !== undefined) icon.dataset.own = "";

    const text = this.#part("div", "fanfare-toast-text");
    const title = this.#part("p", "fanfare-toast-title");
    const word = this.#labels.kinds[kind];
    if (word) title.append(this.#part("span", "fanfare-toasts-kind", `${word}: `));
    title.append(cut(toast.title, MAX_TITLE));
    text.append(title);
    if (toast.message) text.append(this.#part("p", "fanfare-toast-message", cut(toast.message, MAX_MESSAGE)));
    const more = this.#part("span", "fanfare-toast-more");
    more.hidden = true;
    text.append(more);

    const close = this.#page.createElement("button");
    close.type = "button";
    close.className = "fanfare-toast-close";
    close.setAttribute("aria-label", `${this.#labels.close}: ${cut(toast.title, MAX_TITLE)}`);
    close.textContent = "×";
    close.addEventListener("click", () => this.#events.close(id));

    const card = this.#part("div", "fanfare-toast-card");
    card.append(icon, text, close);
    element.append(card);
    this.#list.prepend(element);

    const words = [word ? `${word}: ${toast.title}` : toast.title, toast.message].filter(Boolean).join(". ");
    const spoken = this.#part("p", "", cut(words, MAX_TITLE + MAX_MESSAGE));
    (kind === "error" ? this.#assertive : this.#polite).append(spoken);
    this.#cards.set(id, { element, more, close, spoken });
    this.count(entry);
  }

  /** Shows how many others a toast stands for. Not read out: a burst would never end. */
  count(entry: Entry): void {
    const more = this.#cards.get(entry.id)?.more;
    if (!more) return;
    more.hidden = entry.more === 0;
    more.textContent = entry.more === 0 ? "" : this.#labels.more(entry.more, entry.toast.group);
  }

  /** Shows how many toasts are not on screen. */
  rest(hidden: number): void {
    this.#rest.hidden = hidden === 0;
    this.#rest.textContent = hidden === 0 ? "" : this.#labels.more(hidden);
  }

  /** Takes a toast away; `gone` is called when its place is free. The focus goes to the newest left, or back where it came from. */
  remove(id: number, gone: () => void): void {
    const card = this.#cards.get(id);
    if (!card) {
      gone();
      return;
    }
    const hadFocus = this.focused === id;
    this.#cards.delete(id);
    card.spoken.remove();
    if (hadFocus) this.#focusAfter(card);
    if (this.#stillness()) {
      this.#take(card, gone);
      return;
    }
    card.element.dataset.leaving = "";
    card.element.inert = true;
    setTimeout(() => this.#take(card, gone), LEAVING_MS);
  }

  destroy(): void {
    const focused = this.focused;
    const card = focused === undefined ? undefined : this.#cards.get(focused);
    this.#cards.clear();
    if (card) this.#before?.focus();
    for (const part of [this.#polite, this.#assertive, this.#list, this.#rest]) part.remove();
    if (this.#madeContainer) {
      this.#container.remove();
    } else {
      this.#container.classList.remove("fanfare-toasts");
      this.#container.removeAttribute("role");
      this.#container.removeAttribute("aria-label");
    }
    this.#removeStyles();
  }

  #take(card: Card, gone: () => void): void {
    card.element.remove();
    // An element that vanishes under the pointer sends no pointerleave.
    if (this.#cards.size === 0) this.#hovered = false;
    gone();
  }

  #focusAfter(card: Card): void {
    const newest = [...this.#cards.values()].at(-1);
    if (newest) newest.close.focus();
    else if (this.#before?.isConnected) this.#before.focus();
    else card.close.blur();
  }

  #stillness(): boolean {
    const view = this.#page.defaultView;
    return !view?.matchMedia || view.matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  #onPointer = (event: Event): void => {
    this.#hovered = event.type === "pointerenter";
    this.#events.hold();
  };

  #onFocusIn = (event: FocusEvent): void => {
    const from = event.relatedTarget;
    if (from instanceof HTMLElement && !this.#list.contains(from)) this.#before = from;
    this.#events.hold();
  };

  #onFocusOut = (event: FocusEvent): void => {
    // The focus is nowhere yet: without a new place it has left.
    const to = event.relatedTarget;
    if (to instanceof Node && this.#list.contains(to)) return;
    queueMicrotask(() => this.#events.hold());
  };

  #part(tag: "p" | "div" | "span", className: string, text?: string): HTMLElement {
    const element = this.#page.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }
}

function cut(text: string, max: number): string {
  const string = String(text);
  if (string.length <= max) return string;
  // Not within an emoji.
  return `${string.slice(0, max - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
