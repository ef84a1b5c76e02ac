// The two lines that speak of what did not happen: that the list may be old, and what became of the last action, with its undo.

import type { Texts } from "../texts.js";
import type { Inbox, Snapshot } from "../types.js";
import { make, write } from "./dom.js";
import { icon } from "./icons.js";

/** A notice stays so long, milliseconds, and as long as the pointer or the focus is on it. */
const STAYS = 8_000;

interface Host {
  readonly inbox: Inbox;
  readonly texts: Texts;
  now(): number;
}

/** That the list could not be fetched anew, when that is tried again, and a button for now. */
export class StaleBar {
  readonly element: HTMLElement;
  private readonly words = make("p");
  private readonly again: HTMLButtonElement;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly host: Host) {
    const { texts, inbox } = host;
    this.again = make("button", { type: "button", className: "text" }, texts.tryNow);
    this.again.addEventListener("click", () => void inbox.refresh());
    this.element = make("div", { className: "notice", hidden: true }, icon("warn"), this.words, this.again);
  }

  /** Shows a state of the inbox. */
  draw(snapshot: Snapshot): void {
    const { failure, items, status, isRefreshing } = snapshot;
    clearInterval(this.timer);
    const isShown = failure?.action === "load" && (items.length > 0 || status === "ready");
    this.element.hidden = !isShown;
    if (!isShown) return;
    const { texts, now } = this.host;
    if (isRefreshing) this.again.setAttribute("aria-busy", "true");
    else this.again.removeAttribute("aria-busy");
    const say = () => {
      const left =
        snapshot.retryAt === null ? null : Math.max(1, Math.ceil((snapshot.retryAt - now()) / 1_000));
      write(this.words, `${texts.stale} ${left === null ? texts.failure(failure) : texts.retryIn(left)}`);
      if (!this.element.isConnected) clearInterval(this.timer);
    };
    say();
    if (snapshot.retryAt !== null) this.timer = setInterval(say, 1_000);
  }

  /** Nobody looks at it. */
  away(): void {
    clearInterval(this.timer);
  }
}

/** What became of the last action. */
export class NoticeBar {
  readonly element: HTMLElement;
  private readonly sign = make("span");
  private readonly words = make("p");
  private readonly undo: HTMLButtonElement;
  private shown: number | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: Host,
    private readonly announce: (words: string) => void,
  ) {
    const { texts, inbox } = host;
    this.undo = make("button", { type: "button", className: "text" }, texts.undo);
    this.undo.addEventListener("click", () => void this.takeBack());
    const dismiss = make(
      "button",
      { type: "button", className: "icon-only", "aria-label": texts.dismiss },
      icon("close"),
    );
    dismiss.addEventListener("click", () => inbox.dismissNotice());
    this.element = make(
      "div",
      { className: "undo", hidden: true },
      this.sign,
      this.words,
      this.undo,
      dismiss,
    );
    for (const type of ["pointerleave", "focusout"]) this.element.addEventListener(type, () => this.wait());
    for (const type of ["pointerenter", "focusin"]) {
      this.element.addEventListener(type, () => clearTimeout(this.timer));
    }
  }

  /** Shows a state of the inbox. */
  draw({ notice }: Snapshot): void {
    this.element.hidden = notice === null;
    if (notice === null || notice.key === this.shown) return;
    this.shown = notice.key;
    const { texts } = this.host;
    const isFailure = notice.kind === "failed";
    const words = isFailure ? texts.failure(notice.failure) : texts.removed;
    write(this.words, words);
    this.sign.replaceChildren(...(isFailure ? [icon("warn")] : []));
    this.sign.hidden = !isFailure;
    this.undo.hidden = isFailure;
    this.announce(words);
    this.wait();
  }

  /** The panel was closed: what was said is over. */
  away(): void {
    clearTimeout(this.timer);
    this.host.inbox.dismissNotice();
  }

  private wait(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.host.inbox.dismissNotice(), STAYS);
  }

  private async takeBack(): Promise<void> {
    const { notice } = this.host.inbox.getSnapshot();
    if (notice?.kind !== "removed") return;
    if (await notice.undo()) this.announce(this.host.texts.restored);
  }
}
