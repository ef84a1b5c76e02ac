// Draws the frames as a list that stays cheap at 500 events/s: only the rows in sight exist, once per animation frame.
// A list that is being read does not shift: while the pointer is on a row, the list is scrolled, read by keyboard or paused,
// what arrives waits behind a pill. What is recorded is in frames.js; what a chosen frame says is in frame-inspector.js.

import { age, bytes, count, duration, exactTime } from "./format.js";
import { rawMembers } from "./json-text.js";

const OVERSCAN = 6;
const CALM_ROWS = 4;
const PREVIEW_LENGTH = 240;
const PREVIEW_PARSE_LIMIT = 4_096;

export class FrameList {
  #viewport;
  #canvas;
  #pill;
  #pillCount;
  #frames;
  #onChoose;
  #rows = new Map();
  #spare = [];
  #rowHeight = 32;
  #scheduled = false;
  #pointerY = null;
  #paused = false;
  #held = null;
  #chosen = null;
  #newestDrawn = 0;

  constructor({ viewport, canvas, pill, pillCount, frames, onChoose }) {
    this.#viewport = viewport;
    this.#canvas = canvas;
    this.#pill = pill;
    this.#pillCount = pillCount;
    this.#frames = frames;
    this.#onChoose = onChoose;
    this.#listen();
    this.#measure();
    setInterval(() => this.#tickAges(), 1_000);
  }

  get paused() {
    return this.#paused;
  }

  set paused(paused) {
    this.#paused = paused;
    this.schedule();
  }

  /** Something arrived or the filter changed; draws at the next animation frame. */
  schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  /** The filter changed or all was cleared: what is held is no longer what should be seen. */
  reset() {
    this.#held = null;
    this.#viewport.scrollTop = 0;
    if (this.#paused) this.#hold();
    this.schedule();
  }

  /** Marks a record as chosen, or none. */
  choose(record) {
    this.#chosen = record;
    for (const row of this.#rows.values()) this.#markChosen(row);
    this.#onChoose(record);
  }

  #listen() {
    const viewport = this.#viewport;
    viewport.addEventListener("scroll", () => this.schedule(), { passive: true });
    viewport.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") return;
      this.#pointerY = event.clientY - viewport.getBoundingClientRect().top;
      this.schedule();
    }, { passive: true });
    viewport.addEventListener("pointerleave", () => {
      this.#pointerY = null;
      this.schedule();
    });
    viewport.addEventListener("blur", () => this.schedule());
    viewport.addEventListener("keydown", (event) => this.#key(event));
    this.#canvas.addEventListener("click", (event) => {
      const row = event.target.closest(".frame");
      if (row) this.choose(row.record === this.#chosen ? null : row.record);
    });
    this.#pill.addEventListener("click", () => {
      this.#held = null;
      viewport.scrollTop = 0;
      this.#pointerY = null;
      this.#draw();
      if (this.#paused) this.#hold();
      viewport.focus({ preventScroll: true });
    });
    new ResizeObserver(() => {
      this.#measure();
      this.schedule();
    }).observe(viewport);
  }

  #measure() {
    const height = Number.parseFloat(getComputedStyle(this.#viewport).getPropertyValue("--row"));
    if (height > 0 && height !== this.#rowHeight) {
      this.#rowHeight = height;
      for (const row of this.#rows.values()) row.index = -1;
    }
  }

  /** The records to draw, oldest first. */
  get #list() {
    return this.#held ?? this.#frames.view;
  }

  #isRead() {
    if (this.#paused || this.#viewport.scrollTop > 2) return true;
    const shown = this.#list.length * this.#rowHeight;
    if (this.#pointerY !== null && this.#pointerY < shown && shown > 0) return true;
    return this.#chosen !== null && this.#viewport.matches(":focus-visible");
  }

  #hold() {
    this.#held ??= [...this.#frames.view];
  }

  #draw() {
    if (this.#isRead()) this.#hold();
    else this.#held = null;
    const list = this.#list;
    const total = list.length;
    const height = this.#rowHeight;
    const firstIndex = Math.max(0, Math.floor(this.#viewport.scrollTop / height) - OVERSCAN);
    const lastIndex = Math.min(total, Math.ceil((this.#viewport.scrollTop + this.#viewport.clientHeight) / height) + OVERSCAN);
    const newest = total > 0 ? list[total - 1].sequence : 0;
    this.#viewport.toggleAttribute("data-calm", this.#isCalm(list));
    this.#canvas.style.height = `${total * height}px`;

    const wanted = new Set();
    for (let index = firstIndex; index < lastIndex; index += 1) wanted.add(list[total - 1 - index].sequence);
    for (const [sequence, row] of this.#rows) if (!wanted.has(sequence)) this.#release(sequence, row);
    for (let index = firstIndex; index < lastIndex; index += 1) {
      const record = list[total - 1 - index];
      const row = this.#rows.get(record.sequence) ?? this.#fill(record);
      if (row.index !== index) {
        row.index = index;
        row.style.transform = `translateY(${index * height}px)`;
        row.setAttribute("aria-posinset", index + 1);
      }
      row.setAttribute("aria-setsize", total);
    }
    this.#newestDrawn = Math.max(newest, this.#newestDrawn);
    this.#drawPill();
  }

  /** Few new rows slide in; many are set in place, since motion would only blur. */
  #isCalm(list) {
    let added = 0;
    for (let index = list.length - 1; index >= 0 && list[index].sequence > this.#newestDrawn; index -= 1) {
      added += 1;
      if (added > CALM_ROWS) return false;
    }
    return true;
  }

  #drawPill() {
    let waiting = 0;
    if (this.#held) {
      const last = this.#held.at(-1)?.sequence ?? 0;
      const view = this.#frames.view;
      for (let index = view.length - 1; index >= 0 && view[index].sequence > last; index -= 1) waiting += 1;
    }
    this.#pill.hidden = waiting === 0;
    const oldestGone = waiting === this.#frames.view.length && this.#frames.full;
    const text = `${count(waiting)}${oldestGone ? "+" : ""} new`;
    if (waiting > 0 && this.#pillCount.textContent !== text) this.#pillCount.textContent = text;
  }

  #fill(record) {
    const row = this.#spare.pop() ?? newRow();
    const { cells } = row;
    row.record = record;
    row.index = -1;
    row.id = `frame-${record.sequence}`;
    row.toggleAttribute("data-new", record.sequence > this.#newestDrawn);
    row.toggleAttribute("data-protocol", record.protocol);
    row.toggleAttribute("data-error", record.protocol && record.type === "error");
    cells.type.textContent = record.type;
    const target = describeTarget(record);
    cells.target.textContent = target.text;
    cells.target.title = target.title;
    cells.target.className = target.known ? "frame-target" : "frame-target unknown";
    cells.data.textContent = preview(record);
    cells.size.textContent = bytes(record.size);
    const latency = describeLatency(record);
    cells.latency.textContent = latency.text;
    cells.latency.title = latency.title;
    cells.latency.className = `frame-latency right${latency.exact ? "" : " by-clock"}`;
    cells.age.textContent = age(Date.now() - record.at);
    cells.age.title = exactTime(record.at);
    this.#markChosen(row);
    this.#rows.set(record.sequence, row);
    this.#canvas.append(row);
    return row;
  }

  #release(sequence, row) {
    this.#rows.delete(sequence);
    row.remove();
    row.record = null;
    if (this.#spare.length < 64) this.#spare.push(row);
  }

  #markChosen(row) {
    const chosen = row.record === this.#chosen;
    row.setAttribute("aria-selected", chosen);
    if (chosen) this.#viewport.setAttribute("aria-activedescendant", row.id);
  }

  #tickAges() {
    const now = Date.now();
    for (const row of this.#rows.values()) {
      const text = age(now - row.record.at);
      if (row.cells.age.textContent !== text) row.cells.age.textContent = text;
    }
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const list = this.#list;
    const total = list.length;
    if (event.key === "Escape" && this.#chosen) this.choose(null);
    else if (total > 0) {
      const place = list.indexOf(this.#chosen);
      const index = place < 0 ? -1 : total - 1 - place;
      const page = Math.max(1, Math.floor(this.#viewport.clientHeight / this.#rowHeight) - 1);
      const moved = { ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page,
        Home: 0, End: total - 1, Enter: Math.max(index, 0) }[event.key];
      if (moved === undefined) return;
      const next = Math.min(total - 1, Math.max(0, moved));
      this.#show(next);
      this.choose(list[total - 1 - next]);
    } else return;
    event.preventDefault();
  }

  #show(index) {
    const top = index * this.#rowHeight;
    const { scrollTop, clientHeight } = this.#viewport;
    if (top < scrollTop) this.#viewport.scrollTop = top;
    else if (top + this.#rowHeight > scrollTop + clientHeight) this.#viewport.scrollTop = top + this.#rowHeight - clientHeight;
    this.#hold();
    this.#draw();
  }
}

function newRow() {
  const row = document.createElement("div");
  row.className = "frame";
  row.setAttribute("role", "option");
  row.cells = {};
  for (const [name, className] of [["type", "frame-type"], ["target", "frame-target"], ["data", "frame-data"],
    ["size", "frame-size right"], ["latency", "frame-latency right"], ["age", "frame-age right"]]) {
    const cell = document.createElement("span");
    cell.className = className;
    row.cells[name] = cell;
    row.append(cell);
  }
  return row;
}

/** The event's data on one line, as it came. */
function preview(record) {
  if (record.preview === undefined) {
    record.preview = record.text;
    if (record.text.length <= PREVIEW_PARSE_LIMIT) {
      try {
        record.preview = rawMembers(record.text).get("data") ?? record.text;
      } catch {
        // Not JSON: shown as it came.
      }
    }
    record.preview = record.preview.slice(0, PREVIEW_LENGTH);
  }
  return record.preview;
}

/** Where a frame came by, as far as this page can know. */
export function describeTarget({ target, protocol }) {
  if (protocol) return { text: "", title: "", known: true };
  if (target === null) {
    return { text: "—", known: false,
      title: "Not known: a plain frame does not name its channel. It is known for what this browser published." };
  }
  if (target.kind === "everyone") return { text: "everyone", title: "Published to everyone", known: true };
  if (target.kind === "channel") return { text: target.value, title: `Channel ${target.value}`, known: true };
  return { text: `${target.kind} ${target.value}`, title: `Published to ${target.kind} ${target.value}`, known: true };
}

/** The latency and how it was got. */
export function describeLatency({ latency }) {
  if (latency === null) return { text: "", title: "", exact: true };
  if (latency.by === "measured") {
    return { text: duration(latency.ms), exact: true, title: "Measured in this browser, from publish to arrival" };
  }
  return { text: `~${duration(Math.round(latency.ms)).replace(".0 ms", " ms")}`, exact: false,
    title: "This computer's clock minus the server's timestamp: off by as much as the two clocks differ" };
}
