// The middle pane: subscribe by name, one chip per channel with its counts, and the server's /stats as bars. What is
// subscribed is in subscriptions.js, the polling in stats.js.

import { count, counted } from "./format.js";
import { setFault } from "./form-fault.js";
import { nameFault } from "./subscriptions.js";

const MAX_BARS = 12;

export function mountChannelsPane({ subscriptions, stats, frames, connection }) {
  const byId = (id) => document.getElementById(id);
  const input = byId("channel");
  const chips = new Map();
  const bars = new Map();
  let scheduled = false;

  function subscribe(names) {
    const fault = names.map(nameFault).find((found) => found !== null) ?? (names.length === 0 ? nameFault("") : null);
    const refused = fault ?? subscriptions.subscribe(names);
    setFault(input, refused);
    if (refused) input.focus();
    else input.value = "";
  }

  function draw() {
    scheduled = false;
    const all = subscriptions.all;
    byId("chips-empty").hidden = all.length > 0;
    byId("chips-head").hidden = all.length === 0;
    const wanted = new Set(all.map(({ name }) => name));
    for (const [name, chip] of chips) {
      if (wanted.has(name)) continue;
      if (chip.contains(document.activeElement)) input.focus();
      chip.remove();
      chips.delete(name);
    }
    for (const channel of all) {
      if (!chips.has(channel.name)) {
        const chip = newChip(channel.name, () => subscriptions.unsubscribe(channel.name));
        chips.set(channel.name, chip);
        byId("chips").append(chip);
      }
      drawChip(chips.get(channel.name), channel, stats.current, connection.state.name === "live");
    }
    const unknown = frames.unattributed;
    byId("attribution-note").hidden = all.length === 0 || unknown === 0;
    byId("attribution-note").textContent = `${counted(unknown, "event")} arrived without a channel. Plain frames do not name theirs; it is known only for what this browser published.`;
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(draw);
  }

  function drawStats(current) {
    schedule();
    const { total, byChannel, fresh } = current;
    byId("bars").closest(".stats").toggleAttribute("data-stale", !fresh);
    byId("stats-age").textContent = total === null ? "" : fresh ? "" : "as last told";
    if (total === null) {
      byId("bars").replaceChildren();
      bars.clear();
      byId("bars-more").hidden = false;
      byId("bars-more").textContent = current.health === "unknown" ? "Asking for the counts" : "GET /stats gave no counts. They stand here once the server answers.";
      return;
    }
    const channels = [...byChannel].sort(([left, some], [right, others]) => others - some || left.localeCompare(right));
    const shown = [["", total], ...channels.slice(0, MAX_BARS)];
    const most = Math.max(total, ...shown.map(([, number]) => number), 1);
    const wanted = new Set(shown.map(([name]) => name));
    for (const [name, bar] of bars) if (!wanted.has(name)) { bar.remove(); bars.delete(name); }
    shown.forEach(([name, number], place) => {
      if (!bars.has(name)) bars.set(name, newBar(name));
      const bar = bars.get(name);
      bar.lastElementChild.textContent = count(number);
      bar.firstElementChild.style.transform = `scaleX(${number / most})`;
      if (byId("bars").children[place] !== bar) byId("bars").insertBefore(bar, byId("bars").children[place] ?? null);
    });
    const more = channels.length - MAX_BARS;
    byId("bars-more").hidden = more <= 0 && channels.length > 0;
    byId("bars-more").textContent = channels.length === 0 ? "No channel has subscribers now." : `and ${counted(more, "channel")} with fewer`;
  }

  byId("subscribe-form").addEventListener("submit", (event) => {
    event.preventDefault();
    subscribe(input.value.split(/[,\s]+/).filter((name) => name !== ""));
  });
  input.addEventListener("input", () => { if (input.hasAttribute("aria-invalid")) setFault(input, null); });
  byId("subscribe-jobs").addEventListener("click", () => subscribe(["jobs"]));
  subscriptions.onChange(schedule);
  stats.onChange(drawStats);
  return { schedule, showError(message) {
    byId("server-fault").hidden = message === null;
    byId("server-fault").textContent = message ?? "";
  } };
}

function newChip(name, onRemove) {
  const chip = document.createElement("li");
  chip.className = "chip";
  const label = span("chip-name", name);
  label.title = name;
  const received = span("chip-figure", "");
  const listening = span("chip-figure", "");
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "button quiet icon-only";
  remove.title = `Unsubscribe from ${name}`;
  remove.setAttribute("aria-label", remove.title);
  remove.append(icon("i-close"));
  remove.addEventListener("click", onRemove);
  const state = document.createElement("p");
  chip.append(label, received, listening, remove, state);
  chip.parts = { received, listening, state };
  return chip;
}

function span(className, text) {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = text;
  return made;
}

const STATE_WORDS = { waiting: "Asked for again when the connection is live", asking: "Asking the server", leaving: "Unsubscribing", on: "" };

function drawChip(chip, channel, { byChannel, fresh }, live) {
  const { received, listening, state } = chip.parts;
  chip.dataset.state = channel.state;
  const number = byChannel.get(channel.name) ?? 0;
  set(received, count(channel.received), `${counted(channel.received, "event")} known to have come by this channel`);
  const known = fresh && channel.state === "on" && live;
  set(listening, known ? count(number) : "–", known ? `${counted(number, "subscriber")} on this server` : "Subscribers not known now");
  const text = channel.error ?? STATE_WORDS[channel.state] ?? "";
  if (state.textContent !== text) state.textContent = text;
  state.className = channel.error ? "fault" : "chip-state";
  state.hidden = text === "";
}

function set(cell, text, title) {
  if (cell.textContent === text) return;
  cell.textContent = text;
  cell.title = title;
  cell.setAttribute("aria-label", title);
}

function newBar(name) {
  const bar = document.createElement("li");
  bar.className = name === "" ? "bar bar-total" : "bar";
  const label = span("bar-name", name === "" ? "All connections" : name);
  label.title = label.textContent;
  bar.append(span("bar-fill", ""), label, span("bar-figure", ""));
  return bar;
}

function icon(id) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${id}`);
  svg.append(use);
  return svg;
}
