// <fanfare-bell>: the bell with its count, and the panel that it opens. The list is list-view.ts's, the settings preferences-view.ts's.
//
//   closed ── click, Enter ──▶ open: list ⇄ settings ── Escape, a click elsewhere, the focus leaves ──▶ closed, focus on the bell

import { type Alerts, createAlerts } from "../alerts.js";
import { badge } from "../format.js";
import type { Inbox, Notification } from "../types.js";
import { InboxElement } from "./base.js";
import { make, put, write } from "./dom.js";
import { Filters } from "./filters.js";
import { icon } from "./icons.js";
import { ListView } from "./list-view.js";
import { NoticeBar, StaleBar } from "./notices.js";
import { PreferencesView } from "./preferences-view.js";
import { defaultBase } from "./service.js";
import { BELL } from "./sheet-bell.js";
import { PREFERENCES } from "./sheet-preferences.js";

/** Between the bell and its panel, and between the panel and the window's edge, px. */
const GAP = 8;

/** The width of the panel, px, where there is room; as in the style sheet. */
const WIDTH = 420;

/** As in the style sheet: below it the panel is a sheet. */
const PHONE = "(max-width: 480px)";

/** What comes within this time is announced together, milliseconds. */
const ANNOUNCE_AFTER = 700;

/**
 * The bell. Attributes: `base-url`, `token`, `locale`, `theme` (`light`, `dark`), `live` (`ws`, `socketio`, `none`), `sound-url`.
 * Events: `fanfare-open` with the notification that was chosen (`preventDefault()` keeps the panel open), `fanfare-count` with the
 * count of unread ones.
 */
export class FanfareBell extends InboxElement {
  protected readonly needsList = true;
  private isOpen = false;
  private close: (keepsFocus: boolean) => void = () => {};

  constructor() {
    super(BELL + PREFERENCES);
  }

  /** Opens the panel, or closes it. */
  toggle(isWanted = !this.isOpen): void {
    const button = this.root.querySelector<HTMLButtonElement>(".bell");
    if (isWanted !== this.isOpen) button?.click();
  }

  protected show(inbox: Inbox): () => void {
    const { texts } = this;
    const alerts: Alerts = createAlerts(inbox, {
      soundUrl: this.soundUrl(),
      onOpen: (notification) => {
        void inbox.markRead(notification.id);
        this.choose(notification);
      },
    });
    const host = {
      inbox,
      texts,
      alerts,
      now: () => Date.now(),
      open: (one: Notification) => this.choose(one),
    };

    const count = make("span", { className: "badge", part: "badge", "aria-hidden": "true" });
    const bell = make("button", { type: "button", className: "bell", part: "bell" }, icon("bell"), count);
    put(bell, "aria-haspopup", "dialog");
    const live = make("p", { className: "offscreen", role: "status", "aria-live": "polite" });

    const iconButton = (name: Parameters<typeof icon>[0], words: string, className = "") =>
      make(
        "button",
        { type: "button", className: `icon-only ${className}`, title: words, "aria-label": words },
        icon(name),
      );
    const back = iconButton("back", texts.back, "back");
    const title = make("h2", { id: "panel-title" }, texts.title);
    const all = iconButton("allRead", texts.markAllRead);
    const settings = iconButton("settings", texts.settings);
    const closing = iconButton("close", texts.close);
    const head = make("div", { className: "head" }, back, title, all, settings, closing);
    const filters = new Filters(host);
    const stale = new StaleBar(host);
    const list = new ListView(host);
    const notice = new NoticeBar(host, (words) => write(live, words));
    const preferences = new PreferencesView(host);
    const settingsBox = make("div", { className: "settings" }, preferences.element);
    const panel = make(
      "div",
      { className: "panel", part: "panel", role: "dialog", tabIndex: -1, "aria-labelledby": "panel-title" },
      head,
      filters.element,
      stale.element,
      list.element,
      settingsBox,
      notice.element,
    );
    const backdrop = make("div", { className: "backdrop" });
    this.root.append(bell, live, panel, backdrop);

    let isSettings = false;
    let unwatch = () => {};
    let frame = 0;
    let told: number | null | undefined;

    const draw = () => {
      frame = 0;
      const snapshot = inbox.getSnapshot();
      const { unreadCount } = snapshot;
      write(count, badge(unreadCount));
      count.hidden = !unreadCount;
      put(bell, "aria-label", texts.unread(unreadCount));
      if (unreadCount !== told) {
        told = unreadCount;
        this.dispatchEvent(new CustomEvent("fanfare-count", { detail: { unreadCount } }));
      }
      if (!this.isOpen) return;
      all.disabled = !unreadCount;
      notice.draw(snapshot);
      if (isSettings) return;
      filters.draw(snapshot);
      stale.draw(snapshot);
      list.draw(snapshot);
    };
    // A burst of events is drawn once; a window in the background gets no frames, and its count is to be right as well.
    const drawSoon = () => {
      if (document.visibilityState !== "visible") draw();
      else if (frame === 0) frame = requestAnimationFrame(draw);
    };

    const turn = (toSettings: boolean) => {
      isSettings = toSettings;
      for (const part of [filters.element, list.element, all, settings]) part.hidden = toSettings;
      for (const part of [settingsBox, back]) part.hidden = !toSettings;
      if (toSettings) {
        stale.away();
        stale.element.hidden = true;
      }
      write(title, toSettings ? texts.settings : texts.title);
      if (toSettings) preferences.open();
      else preferences.close();
      draw();
    };

    const place = () => {
      if (matchMedia(PHONE).matches) {
        panel.style.removeProperty("--panel-left");
        panel.style.removeProperty("--panel-top");
        return;
      }
      const box = bell.getBoundingClientRect();
      const width = Math.min(WIDTH, innerWidth - 2 * GAP);
      const isRtl = getComputedStyle(this).direction === "rtl";
      const wanted = isRtl ? box.left : box.right - width;
      const left = Math.max(GAP, Math.min(wanted, innerWidth - width - GAP));
      const below = innerHeight - box.bottom - 2 * GAP;
      const room = Math.max(below, Math.min(320, innerHeight - 2 * GAP));
      const top = below >= room ? box.bottom + GAP : Math.max(GAP, innerHeight - room - GAP);
      panel.style.setProperty("--panel-left", `${left}px`);
      panel.style.setProperty("--panel-top", `${top}px`);
      panel.style.setProperty("--panel-room", `${room}px`);
    };

    const outside = (event: Event) => {
      if (!event.composedPath().includes(this)) this.close(false);
    };
    const moved = (event: FocusEvent) => {
      const to = event.relatedTarget as Node | null;
      // Out of the window is not away from the panel.
      if (to && to !== this && !this.contains(to) && !this.shadowRoot?.contains(to)) this.close(false);
    };

    const open = () => {
      this.isOpen = true;
      put(bell, "aria-expanded", "true");
      place();
      panel.classList.add("open");
      backdrop.classList.add("open");
      if (panel.popover === "manual") panel.showPopover();
      unwatch = inbox.watchCategories();
      list.shown();
      turn(false);
      panel.focus();
      document.addEventListener("pointerdown", outside, true);
      addEventListener("resize", place);
      addEventListener("scroll", place, { passive: true, capture: true });
      if (inbox.getSnapshot().failure) void inbox.refresh();
    };
    this.close = (keepsFocus) => {
      if (!this.isOpen) return;
      this.isOpen = false;
      put(bell, "aria-expanded", "false");
      if (panel.popover === "manual") panel.hidePopover();
      panel.classList.remove("open");
      backdrop.classList.remove("open");
      unwatch();
      list.hidden();
      preferences.close();
      notice.away();
      stale.away();
      document.removeEventListener("pointerdown", outside, true);
      removeEventListener("resize", place);
      removeEventListener("scroll", place, { capture: true });
      if (keepsFocus) bell.focus();
    };

    if ("popover" in panel) panel.popover = "manual";
    put(bell, "aria-expanded", "false");
    bell.addEventListener("click", () => (this.isOpen ? this.close(true) : open()));
    closing.addEventListener("click", () => this.close(true));
    backdrop.addEventListener("click", () => this.close(true));
    all.addEventListener("click", () => {
      void inbox.markAllRead();
      panel.focus();
    });
    settings.addEventListener("click", () => {
      turn(true);
      back.focus();
    });
    back.addEventListener("click", () => {
      turn(false);
      settings.focus();
    });
    this.root.addEventListener("focusout", moved);
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        if (isSettings) back.click();
        else this.close(true);
      } else if (isSettings || !list.key(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });

    const announce = announcer(live, texts);
    document.addEventListener("visibilitychange", drawSoon);
    const offs = [
      alerts.start(),
      inbox.subscribe(drawSoon),
      inbox.onArrival(({ notification }) => announce.tell(notification.title)),
      () => announce.end(),
      () => document.removeEventListener("visibilitychange", drawSoon),
      () => this.close(false),
      () => this.root.removeEventListener("focusout", moved),
      () => cancelAnimationFrame(frame),
    ];
    draw();
    return () => {
      for (const off of offs.reverse()) off();
      this.close = () => {};
    };
  }

  /** The sound of the hub that the inbox is of; null where the attribute is empty: none. */
  private soundUrl(): string | null {
    const base = this.getAttribute("base-url") || defaultBase();
    return (this.getAttribute("sound-url") ?? `${base.replace(/\/+$/, "")}/sounds/notification.mp3`) || null;
  }

  /** Tells the page; if it says nothing else, goes to the notification's `data.url` where that is of the page's own origin. */
  private choose(notification: Notification): void {
    const event = new CustomEvent("fanfare-open", {
      detail: notification,
      bubbles: true,
      composed: true,
      cancelable: true,
    });
    if (!this.dispatchEvent(event)) return;
    const url = ownAddress(notification.data.url);
    if (!url) return;
    this.close(true);
    location.assign(url);
  }
}

/** An address of the page's own origin; null for another, and for what is none. What came over the wire is not run. */
function ownAddress(value: unknown): string | null {
  if (typeof value !== "string" || value === "") return null;
  try {
    const url = new URL(value, location.href);
    return url.origin === location.origin && /^https?:$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Says what comes in to who listens, several at once as their number. */
function announcer(live: HTMLElement, texts: FanfareBell["texts"]) {
  let titles: string[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    tell(title: string) {
      titles.push(title);
      timer ??= setTimeout(() => {
        write(live, titles.length === 1 ? texts.arrived(titles[0] ?? "") : texts.newer(titles.length));
        titles = [];
        timer = undefined;
      }, ANNOUNCE_AFTER);
    },
    end: () => clearTimeout(timer),
  };
}
