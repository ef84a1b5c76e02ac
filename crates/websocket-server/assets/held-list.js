// A list of live rows, newest on top, that does not move while somebody reads it: while the pointer is over it, the focus is in
// it, or it is scrolled, new rows wait behind a pill ("3 new"). What changes within a row is shown at once. Bounds: so many rows,
// and so many that wait; beyond, the oldest go.
//
// Not here: what a row looks like.

/** Rows in a list; as many as somebody scrolls through. */
export const MOST_ROWS = 500;

/** Animations at once; a burst of new rows appears without. */
const MOST_SLIDES = 5;

export class HeldList {
  #list;
  #pill;
  #waiting = [];
  #isHovered = false;
  #most;

  /** `list` is the element with the rows, `pill` the button over it, in the same box; it has an element `[data-count]`. */
  constructor({ list, pill, most = MOST_ROWS }) {
    this.#list = list;
    this.#pill = pill;
    this.#most = most;
    // With the pill, so that it does not go away from under the pointer that is to press it. A finger that taps leaves no pointer
    // behind.
    const box = list.parentElement;
    box.addEventListener("pointerenter", ({ pointerType }) => { this.#isHovered = pointerType === "mouse"; });
    box.addEventListener("pointerleave", () => {
      this.#isHovered = false;
      this.#releaseIfFree();
    });
    list.addEventListener("focusout", () => queueMicrotask(() => this.#releaseIfFree()));
    addEventListener("scroll", () => this.#releaseIfFree(), { capture: true, passive: true });
    pill.addEventListener("click", () => {
      this.release();
      list.scrollTo?.({ top: 0 });
      if (this.#isAbove()) list.scrollIntoView({ block: "center" });
      list.focus({ preventScroll: true });
    });
  }

  /** How many rows wait. */
  get waiting() {
    return this.#waiting.length;
  }

  /** How many rows are shown. */
  get shown() {
    return this.#list.childElementCount;
  }

  /** Adds a row at the top, or lets it wait. */
  add(row) {
    this.#waiting.push(row);
    if (this.#waiting.length > this.#most) this.#waiting.shift();
    if (this.#isRead()) this.#drawPill();
    else this.release();
  }

  /** Shows what waits. */
  release() {
    const rows = this.#waiting.splice(0);
    for (const row of rows.slice(-MOST_SLIDES)) row.dataset.new = "";
    this.#list.prepend(...rows.reverse());
    while (this.#list.childElementCount > this.#most) this.#list.lastElementChild.remove();
    this.#drawPill();
  }

  /** Takes a row away, also one that waits. */
  remove(row) {
    this.#waiting = this.#waiting.filter((other) => other !== row);
    row.remove();
    this.#drawPill();
  }

  /** Takes all rows away. */
  clear() {
    this.#waiting = [];
    this.#list.replaceChildren();
    this.#drawPill();
  }

  #isRead() {
    // Before there is a second row, nothing can jump.
    if (this.#list.childElementCount === 0) return false;
    const hasFocus = this.#list.contains(document.activeElement) && document.activeElement.matches(":focus-visible");
    const isScrolled = this.#list.scrollTop > 0 || this.#isAbove();
    return this.#isHovered || hasFocus || isScrolled;
  }

  /** Whether its top is out of sight, behind the page's head. */
  #isAbove() {
    const head = document.querySelector(".top")?.getBoundingClientRect().bottom ?? 0;
    return this.#list.getBoundingClientRect().top < head;
  }

  #releaseIfFree() {
    if (this.#waiting.length > 0 && !this.#isRead()) this.release();
  }

  #drawPill() {
    const count = this.#waiting.length;
    this.#pill.hidden = count === 0;
    this.#pill.querySelector("[data-count]").textContent = `${count} new`;
  }
}
