// One notification in the panel: what it says, and what can be done with it. What a click means is list-view.ts's business: everything
// here has a `data-act`.

import { formatExact, formatWhen } from "../format.js";
import type { Texts } from "../texts.js";
import type { Notification } from "../types.js";
import { make, put, write } from "./dom.js";
import { icon } from "./icons.js";

/** What a person can do with a row. */
export type Act = "open" | "toggle" | "remove" | "menu";

/** A row of the list. */
export class Row {
  readonly element = make("li", { className: "row" });
  /** What has the focus when the row has it. */
  readonly main: HTMLButtonElement;
  private readonly state = make("span", { className: "offscreen" });
  private readonly title = make("span", { className: "title", dir: "auto" });
  private readonly when = make("time", { className: "when", dir: "auto" });
  private readonly message = make("span", { className: "message", dir: "auto" });
  private readonly priority = make("span", { className: "priority" });
  private readonly category = make("span", { className: "category" });
  private readonly meta = make("span", { className: "meta" }, this.priority, this.category);
  private readonly toggle: HTMLButtonElement;
  private readonly menu: HTMLButtonElement;

  constructor(
    public item: Notification,
    private readonly texts: Texts,
    now: number,
  ) {
    this.main = button("open", "open-row");
    this.main.append(
      make("span", { className: "line" }, this.state, this.title, this.when),
      this.message,
      this.meta,
    );
    this.toggle = button("toggle", "icon-only quick");
    const remove = button("remove", "icon-only quick", icon("remove"));
    put(remove, "aria-label", texts.remove);
    remove.title = texts.remove;
    this.menu = button("menu", "icon-only", icon("more"));
    put(this.menu, "aria-haspopup", "menu");
    put(this.menu, "aria-expanded", "false");
    this.element.dataset.id = String(item.id);
    this.element.append(this.main, make("div", { className: "acts" }, this.toggle, remove, this.menu));
    this.draw(now);
  }

  /** Shows a newer state of the notification. */
  update(item: Notification, now: number): void {
    if (item === this.item) return;
    this.item = item;
    this.draw(now);
  }

  /** Of all rows one is reached by Tab, with its menu; the others by the arrows. */
  setCurrent(isCurrent: boolean): void {
    this.main.tabIndex = isCurrent ? 0 : -1;
    this.menu.tabIndex = isCurrent ? 0 : -1;
  }

  /** Goes on with the age. */
  tick(now: number): void {
    write(this.when, formatWhen(this.item.created_at, now, this.texts.locale));
  }

  private draw(now: number): void {
    const { title, message, priority, category, is_read, created_at } = this.item;
    const { texts } = this;
    this.element.classList.toggle("unread", !is_read);
    write(this.state, is_read ? "" : `${texts.isUnread}: `);
    write(this.title, title);
    write(this.message, message);
    this.message.hidden = message === "";
    this.when.dateTime = created_at;
    this.when.title = formatExact(created_at, texts.locale);
    this.tick(now);
    const isMarked = priority === "urgent" || priority === "high";
    write(this.priority, isMarked ? texts[priority] : "");
    this.priority.hidden = !isMarked;
    this.priority.classList.toggle("high", priority === "high");
    write(this.category, labelOf(category));
    const words = is_read ? texts.markUnread : texts.markRead;
    put(this.toggle, "aria-label", words);
    this.toggle.title = words;
    this.toggle.replaceChildren(icon(is_read ? "unread" : "check"));
    put(this.menu, "aria-label", texts.actionsFor(title));
  }
}

/** A category as it is shown: `job_alerts` as `Job alerts`. */
export function labelOf(category: string): string {
  const words = category.replace(/[_\-.:]+/g, " ").trim() || category;
  return words.charAt(0).toLocaleUpperCase() + words.slice(1);
}

function button(act: Act, className: string, ...children: Node[]): HTMLButtonElement {
  const made = make("button", { type: "button", className, tabIndex: -1 }, ...children);
  made.dataset.act = act;
  return made;
}
