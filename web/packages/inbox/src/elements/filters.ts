// The chips over the list: unread ones only, and one category or all of them, each with the service's count.

import { badge } from "../format.js";
import type { Texts } from "../texts.js";
import type { Inbox, Snapshot } from "../types.js";
import { arrange, make, put, write } from "./dom.js";
import { labelOf } from "./row.js";

/** The most categories that have a chip. */
const MOST_CHIPS = 100;

const ALL = "";

/** The chips. */
export class Filters {
  readonly element: HTMLElement;
  private readonly unread: HTMLButtonElement;
  private readonly group: HTMLElement;
  private readonly divider = make("span", { className: "divider" });
  private readonly chips = new Map<string, HTMLButtonElement>();

  constructor(private readonly host: { readonly inbox: Inbox; readonly texts: Texts }) {
    const { inbox, texts } = host;
    this.unread = chip(texts.unreadOnly);
    this.unread.addEventListener("click", () => {
      inbox.setFilter({ unread: !inbox.getSnapshot().filter.unread });
    });
    this.group = make("div", { className: "filters", role: "group", "aria-label": texts.categories });
    this.element = this.group;
  }

  /** Shows a state of the inbox. */
  draw({ filter, categories, unreadCount }: Snapshot): void {
    const { texts } = this.host;
    put(this.unread, "aria-pressed", String(filter.unread));
    put(this.unread.children[1] as Element, "data-count", badge(unreadCount));
    write(this.unread.children[1] as Element, badge(unreadCount));
    const names = new Set((categories ?? []).filter(({ total }) => total > 0).map(({ name }) => name));
    if (filter.category !== null) names.add(filter.category);
    const shown = names.size > 1 || filter.category !== null ? [ALL, ...[...names].slice(0, MOST_CHIPS)] : [];
    for (const name of this.chips.keys()) if (!shown.includes(name)) this.chips.delete(name);
    const chips = shown.map((name) => {
      const one = this.chips.get(name) ?? this.makeChip(name, name === ALL ? texts.all : labelOf(name));
      put(one, "aria-pressed", String((filter.category ?? ALL) === name));
      const known = name === ALL ? null : categories?.find((category) => category.name === name);
      write(one.children[1] as Element, badge(known?.unreadCount ?? null));
      return one;
    });
    arrange(this.group, [this.unread, ...(chips.length > 0 ? [this.divider, ...chips] : [])]);
  }

  private makeChip(name: string, words: string): HTMLButtonElement {
    const made = chip(words);
    made.addEventListener("click", () => this.host.inbox.setFilter({ category: name === ALL ? null : name }));
    this.chips.set(name, made);
    return made;
  }
}

function chip(words: string): HTMLButtonElement {
  const count = make("span", { className: "count" });
  return make("button", { type: "button", className: "chip" }, make("span", { dir: "auto" }, words), count);
}
