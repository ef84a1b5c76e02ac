// The menu of a row, for fingers and the keyboard: opened at its button, closed by a choice, Escape, Tab, or a click elsewhere.

import { make } from "./dom.js";
import { type IconName, icon } from "./icons.js";

/** A list that was scrolled so far has left its menu behind, px. */
const AWAY = 24;

/** An entry of a menu. */
export interface Entry {
  readonly icon: IconName;
  readonly words: string;
  run(): void;
}

/** What a menu is made with. */
export interface MenuOptions {
  /** What it is put into, and what scrolls under it. */
  readonly place: HTMLElement;
  readonly scroll: HTMLElement;
  readonly opener: HTMLElement;
  /** What it is about. */
  readonly row: HTMLElement;
  readonly label: string;
  readonly entries: readonly Entry[];
  closed(): void;
}

/** Opens a menu; returns its end. */
export function openMenu(options: MenuOptions): () => void {
  const { place, scroll, opener, row, label, entries, closed } = options;
  const items = entries.map(({ icon: name, words, run }) => {
    const item = make("button", { type: "button", role: "menuitem", tabIndex: -1 }, icon(name), words);
    item.addEventListener("click", () => {
      close(true);
      run();
    });
    return item;
  });
  const menu = make("div", { className: "menu", role: "menu", "aria-label": label }, ...items);
  place.append(menu);
  row.classList.add("menu-open");
  opener.setAttribute("aria-expanded", "true");

  const box = place.getBoundingClientRect();
  const at = opener.getBoundingClientRect();
  const isBelow = at.bottom + menu.offsetHeight + 4 <= box.bottom;
  menu.style.setProperty(
    "inset-block-start",
    `${(isBelow ? at.bottom : at.top - menu.offsetHeight) - box.top}px`,
  );
  items[0]?.focus();

  let isOpen = true;
  function close(keepsFocus: boolean): void {
    if (!isOpen) return;
    isOpen = false;
    const root = menu.getRootNode() as Document | ShadowRoot;
    const hadFocus = menu.contains(root.activeElement);
    menu.remove();
    row.classList.remove("menu-open");
    opener.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    scroll.removeEventListener("scroll", away);
    closed();
    if (keepsFocus && hadFocus) opener.focus();
  }
  const outside = (event: Event) => {
    if (!event.composedPath().includes(menu)) close(false);
  };
  const from = scroll.scrollTop;
  // The end of a movement before is none.
  const away = () => {
    if (Math.abs(scroll.scrollTop - from) > AWAY) close(true);
  };

  menu.addEventListener("keydown", (event) => {
    const root = menu.getRootNode() as Document | ShadowRoot;
    const index = items.indexOf(root.activeElement as HTMLButtonElement);
    const go = (to: number) => items[(to + items.length) % items.length]?.focus();
    if (event.key === "ArrowDown") go(index + 1);
    else if (event.key === "ArrowUp") go(index - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(-1);
    else if (event.key === "Escape" || event.key === "Tab") close(true);
    else return;
    event.stopPropagation();
    if (event.key !== "Tab") event.preventDefault();
  });
  document.addEventListener("pointerdown", outside, true);
  scroll.addEventListener("scroll", away, { passive: true });
  return () => close(true);
}
