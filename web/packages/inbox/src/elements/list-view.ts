// The list in the panel: days, rows, what can be done with them by pointer, finger and keyboard, and loading on scroll. Rows stay the
// same elements as long as their notification is there, so nothing flickers and the focus stays.
//
// A list that is being read does not shift: while it is scrolled, or the pointer is over it, new ones wait behind a pill.

import { groupByDay } from "../days.js";
import type { Texts } from "../texts.js";
import type { Inbox, Notification, Snapshot } from "../types.js";
import { arrange, make, write } from "./dom.js";
import { icon } from "./icons.js";
import { openMenu } from "./menu.js";
import { type Act, Row } from "./row.js";
import { emptyState, failedState, skeleton } from "./states.js";

/** So far from its top the list counts as scrolled, and so near to its end more is loaded, px. */
const TOP = 4;
const NEAR_END = 400;

/** Ages go on so often, milliseconds. */
const TICK = 30_000;

/** What the list needs of the bell. */
export interface ListHost {
  readonly inbox: Inbox;
  readonly texts: Texts;
  now(): number;
  /** A notification was chosen. */
  open(notification: Notification): void;
}

interface DayView {
  readonly element: HTMLElement;
  readonly title: HTMLElement;
  readonly list: HTMLUListElement;
}

/** The list of the panel. */
export class ListView {
  readonly element: HTMLElement;
  private readonly scroll: HTMLElement;
  private readonly pill: HTMLButtonElement;
  private readonly pillWords = make("span");
  private readonly foot = make("div", { className: "foot" });
  private readonly rows = new Map<number, Row>();
  private readonly days = new Map<string, DayView>();
  private current = 0;
  /** The newest that is shown; null: all are. */
  private top: number | null = null;
  private filter: Snapshot["filter"] | null = null;
  private isOver = false;
  private timer: ReturnType<typeof setInterval> | undefined;
  private closeMenu: (() => void) | null = null;
  private state: { readonly key: string; readonly kind: string; readonly element: HTMLElement } | null = null;

  constructor(private readonly host: ListHost) {
    const { texts } = host;
    this.scroll = make("div", { className: "scroll", tabIndex: -1 });
    this.pill = make(
      "button",
      { type: "button", className: "pill", hidden: true },
      icon("up"),
      this.pillWords,
    );
    this.element = make("div", { className: "body" }, this.pill, this.scroll);
    this.scroll.setAttribute("aria-label", texts.title);
    this.scroll.setAttribute("role", "group");
    this.scroll.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.scroll.addEventListener("click", (event) => this.clicked(event));
    this.scroll.addEventListener("focusin", (event) => {
      const row = this.rowOf(event.target);
      if (row) this.setCurrent(row);
    });
    this.scroll.addEventListener("pointerenter", ({ pointerType }) => {
      this.isOver = pointerType === "mouse";
    });
    this.scroll.addEventListener("pointerleave", () => {
      this.isOver = false;
      this.release();
    });
    this.pill.addEventListener("click", () => this.showNew());
  }

  /** The panel was opened: everything that is there is shown. */
  shown(): void {
    this.top = null;
    this.isOver = false;
    this.scroll.scrollTop = 0;
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      const now = this.host.now();
      for (const row of this.rows.values()) row.tick(now);
    }, TICK);
  }

  /** The panel was closed. */
  hidden(): void {
    clearInterval(this.timer);
    this.closeMenu?.();
  }

  /** Shows a state of the inbox. */
  draw(snapshot: Snapshot): void {
    if (snapshot.filter !== this.filter) {
      this.filter = snapshot.filter;
      this.top = null;
      this.scroll.scrollTop = 0;
    }
    const { items } = snapshot;
    const newest = items[0]?.id ?? 0;
    const isReading = this.scroll.scrollTop > TOP || this.isOver || this.closeMenu !== null;
    if (this.top === null || !isReading || this.rows.size === 0) this.top = newest;
    const top = this.top;
    const shown = items.filter(({ id }) => id <= top);
    const held = items.length - shown.length;
    this.pill.hidden = held === 0;
    write(this.pillWords, this.host.texts.newer(held));
    const focused = this.focusedIndex();
    this.drawDays(shown);
    this.drawFoot(snapshot);
    const parts: Element[] = shown.length > 0 ? [...this.days.values()].map(({ element }) => element) : [];
    parts.push(shown.length > 0 ? this.foot : this.stateFor(snapshot));
    arrange(this.scroll, parts);
    this.keepCurrent(focused);
    // In a window that nobody looks at nothing is shown to anybody.
    if (document.visibilityState === "visible") this.host.inbox.markShown(shown.map(({ id }) => id));
    this.scrolled();
  }

  /** Puts the focus on a row: the current one, or the first. */
  focusRow(): void {
    (this.rows.get(this.current) ?? this.ordered()[0])?.main.focus();
  }

  /** What a key means in the panel; true if it meant something here. */
  key(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey || this.closeMenu) return false;
    const row = this.rowOf(event.composedPath()[0] ?? null);
    const ordered = this.ordered();
    const at = row ? ordered.indexOf(row) : -1;
    const go = (to: number) => ordered[Math.max(0, Math.min(ordered.length - 1, to))]?.main.focus();
    if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp" && row) go(at - 1);
    else if (event.key === "Home" && row) go(0);
    else if (event.key === "End" && row) go(ordered.length - 1);
    else if (event.key === "u" && row) this.act("toggle", row);
    else if ((event.key === "Delete" || event.key === "Backspace") && row) this.act("remove", row);
    else return false;
    return true;
  }

  private drawDays(shown: readonly Notification[]): void {
    const { texts } = this.host;
    const now = this.host.now();
    const groups = groupByDay(shown, { now, locale: texts.locale, earlier: texts.earlier });
    const kept = new Set(shown.map(({ id }) => id));
    for (const id of this.rows.keys()) if (!kept.has(id)) this.rows.delete(id);
    const isFirst = this.rows.size === 0;
    const days = new Map<string, DayView>();
    for (const { key, title, items } of groups) {
      const day = this.days.get(key) ?? makeDay(key);
      days.set(key, day);
      write(day.title, title);
      arrange(
        day.list,
        items.map((item) => this.rowFor(item, now, isFirst).element),
      );
    }
    this.days.clear();
    for (const [key, day] of days) this.days.set(key, day);
  }

  private rowFor(item: Notification, now: number, isFirst: boolean): Row {
    const known = this.rows.get(item.id);
    if (known) {
      known.update(item, now);
      return known;
    }
    const made = new Row(item, this.host.texts, now);
    if (!isFirst && item.id === this.top) made.element.classList.add("arriving");
    this.rows.set(item.id, made);
    return made;
  }

  /** What stands in place of rows; the same element as long as it says the same, so that the focus stays on its button. */
  private stateFor(snapshot: Snapshot): HTMLElement {
    const { status, failure, filter } = snapshot;
    const kind = status === "failed" && failure ? "failed" : status === "ready" ? "empty" : "loading";
    // While it is tried again the words of the failure stay.
    const isAgain = kind === "loading" && this.state?.kind === "failed";
    const key = `${kind} ${failure?.code} ${filter.category} ${filter.unread}`;
    if (isAgain) this.state?.element.querySelector("button")?.setAttribute("aria-busy", "true");
    else if (this.state?.key !== key || kind === "failed") {
      const old = this.state?.kind === kind && this.state.key === key ? this.state.element : null;
      old?.querySelector("button")?.removeAttribute("aria-busy");
      const make = { failed: failedState, empty: emptyState, loading: skeleton }[kind];
      this.state = { key, kind, element: old ?? make(snapshot, this.host) };
    }
    return this.state?.element ?? skeleton(snapshot, this.host);
  }

  private drawFoot({ hasMore, isLoadingMore, failure }: Snapshot): void {
    const { texts, inbox } = this.host;
    const isFailed = failure?.action === "load_more" && !isLoadingMore;
    const key = isFailed ? "failed" : hasMore ? "more" : "end";
    if (this.foot.dataset.state === key) return;
    this.foot.dataset.state = key;
    if (isFailed) {
      const again = make("button", {
        type: "button",
        className: "outlined",
        onclick: () => inbox.loadMore(),
      });
      again.append(texts.tryAgain);
      this.foot.replaceChildren(make("p", {}, texts.failure(failure)), again);
    } else this.foot.replaceChildren(make("p", {}, hasMore ? texts.loading : texts.end));
  }

  private clicked(event: Event): void {
    const target = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-act]") : null;
    const row = this.rowOf(target);
    if (target && row) this.act(target.dataset.act as Act, row);
  }

  private act(act: Act, row: Row): void {
    const { inbox } = this.host;
    const { id, is_read } = row.item;
    if (act === "toggle") void (is_read ? inbox.markUnread(id) : inbox.markRead(id));
    else if (act === "remove") inbox.remove(id);
    else if (act === "menu") this.menu(row);
    else {
      if (!is_read) void inbox.markRead(id);
      this.host.open(row.item);
    }
  }

  private menu(row: Row): void {
    this.closeMenu?.();
    const { texts } = this.host;
    const isRead = row.item.is_read;
    const opener = row.element.querySelector<HTMLElement>('[data-act="menu"]') ?? row.main;
    const close = openMenu({
      place: this.element,
      scroll: this.scroll,
      opener,
      row: row.element,
      label: texts.actionsFor(row.item.title),
      entries: [
        {
          icon: isRead ? "unread" : "check",
          words: isRead ? texts.markUnread : texts.markRead,
          run: () => this.act("toggle", row),
        },
        { icon: "remove", words: texts.remove, run: () => this.act("remove", row) },
      ],
      closed: () => {
        if (this.closeMenu === close) this.closeMenu = null;
      },
    });
    this.closeMenu = close;
  }

  private scrolled(): void {
    if (this.scroll.scrollTop <= TOP) this.release();
    const { hasMore, isLoadingMore, failure } = this.host.inbox.getSnapshot();
    const isNear = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < NEAR_END;
    if (isNear && hasMore && !isLoadingMore && failure?.action !== "load_more" && this.element.isConnected) {
      void this.host.inbox.loadMore();
    }
  }

  /** Lets in what waited, if nobody reads any more. */
  private release(): void {
    if (!this.pill.hidden && !this.isOver && this.scroll.scrollTop <= TOP) this.showNew();
  }

  private showNew(): void {
    const hadFocus = this.pill.matches(":focus");
    this.top = null;
    this.isOver = false;
    this.scroll.scrollTop = 0;
    this.draw(this.host.inbox.getSnapshot());
    if (hadFocus) this.ordered()[0]?.main.focus();
  }

  private rowOf(target: EventTarget | null): Row | null {
    const element = target instanceof Element ? target.closest<HTMLElement>(".row") : null;
    return (element && this.rows.get(Number(element.dataset.id))) ?? null;
  }

  /** The rows from the newest down. */
  private ordered(): Row[] {
    return [...this.rows.values()].sort((a, b) => b.item.id - a.item.id);
  }

  private setCurrent(row: Row): void {
    if (row.item.id === this.current) return;
    this.rows.get(this.current)?.setCurrent(false);
    this.current = row.item.id;
    row.setCurrent(true);
  }

  /** Which row has the focus, counted from the top; -1: none. */
  private focusedIndex(): number {
    const root = this.scroll.getRootNode() as Document | ShadowRoot;
    const row = this.rowOf(root.activeElement ?? null);
    return row ? this.ordered().indexOf(row) : -1;
  }

  /** One row can be reached by Tab; the focus of one that went goes to the one that took its place. */
  private keepCurrent(focused: number): void {
    const ordered = this.ordered();
    const isThere = this.rows.has(this.current);
    const next = ordered[Math.min(Math.max(0, focused), ordered.length - 1)];
    if (!isThere && next) {
      this.current = next.item.id;
      next.setCurrent(true);
    } else this.rows.get(this.current)?.setCurrent(true);
    if (focused < 0 || isThere) return;
    if (next) next.main.focus();
    else this.scroll.focus();
  }
}

function makeDay(key: string): DayView {
  const title = make("h3", { id: `day-${key || "none"}` });
  const list = make("ul", { role: "list", "aria-labelledby": title.id });
  return { element: make("section", { className: "day" }, title, list), title, list };
}
