// The playground's wiring: makes the parts, connects their events, and connects to the server that served the page.

import { httpBase, ownAddress } from "./address.js";
import { mountChannelsPane } from "./channels-pane.js";
import { mountConnectionPane } from "./connection-pane.js";
import { Connection } from "./connection.js";
import { mountFirstRun } from "./first-run.js";
import { count } from "./format.js";
import { FrameList } from "./frame-list.js";
import { mountInspector } from "./frame-inspector.js";
import { Frames } from "./frames.js";
import { Publications } from "./publications.js";
import { mountPublishForm } from "./publish-form.js";
import { Stats } from "./stats.js";
import { Subscriptions } from "./subscriptions.js";
import { mountTheme } from "./theme.js";

const byId = (id) => document.getElementById(id);
const HEALTH_WORDS = { unknown: "Asking the server", healthy: "Server healthy", draining: "Server draining", unhealthy: "Server unhealthy", unreachable: "Server not reached" };
const SHOWN_TYPES = 100;

let base = httpBase(ownAddress(location));
const connection = new Connection();
const subscriptions = new Subscriptions((frame) => connection.send(frame));
const publications = new Publications();
const frames = new Frames(publications);
const stats = new Stats(base);

function announce(words) {
  byId("announcer").textContent = words;
}

mountTheme(byId("theme"));

const list = new FrameList({
  viewport: byId("viewport"), canvas: byId("canvas"), pill: byId("pill"), pillCount: byId("pill-count"), frames,
  onChoose: (record) => inspect(record),
});
const inspect = mountInspector({
  root: byId("inspector"), body: byId("frames-body"), announce,
  page: { base: () => base, apiKey: () => publishForm.apiKey() },
  onClose: () => {
    list.choose(null);
    byId("viewport").focus();
  },
});
const publishForm = mountPublishForm({
  base: () => base, connection, subscriptions, publications, announce,
  onPublished: () => stats.refresh(),
});
const channelsPane = mountChannelsPane({ subscriptions, stats, frames, connection });
const connectionPane = mountConnectionPane({
  connection, announce,
  onAddress: (address) => {
    base = httpBase(address);
    stats.setBase(base);
    publishForm.draw();
  },
});
const drawFirstRunNow = mountFirstRun({
  tryEvent, connect: connectionPane.connect, tryNow: () => connection.tryNow(),
  clearFilter: () => {
    byId("filter-text").value = "";
    byId("filter-type").value = "";
    applyFilter();
  },
});

function drawFirstRun() {
  drawFirstRunNow({ empty: frames.view.length === 0, recorded: frames.size, filtered: frames.filtered, state: connection.state.name });
}

/** Subscribes to `jobs` and publishes the sample there once the subscription is in force. */
function tryEvent() {
  const inForce = () => subscriptions.all.some(({ name, state }) => name === "jobs" && state === "on");
  subscriptions.subscribe(["jobs"]);
  if (inForce()) {
    publishForm.publishSample("jobs");
    return;
  }
  const stop = connection.on("frame", ({ frame }) => {
    if (frame?.type === "error") stop();
    if (frame?.type !== "subscribed" || !inForce()) return;
    stop();
    publishForm.publishSample("jobs");
  });
}

// Frames

let arrivedInSecond = 0;
let unseen = 0;
let wasLive = false;

connection.on("frame", (arrival) => {
  const answer = subscriptions.receive(arrival.frame);
  if (answer !== null) channelsPane.showError(answer);
  const record = frames.add(arrival);
  if (!record.protocol) {
    arrivedInSecond += 1;
    unseen += 1;
    delete document.body.dataset.fresh;
    if (record.target?.kind === "channel") subscriptions.countEvent(record.target.value);
    channelsPane.schedule();
  }
  list.schedule();
  if (!byId("first-run").hidden) drawFirstRun();
});

connection.on("state", ({ name }) => {
  const live = name === "live";
  if (live && !wasLive) {
    channelsPane.showError(null);
    subscriptions.resubscribe();
    stats.refresh();
  } else if (!live && wasLive) subscriptions.suspend();
  wasLive = live;
  drawFirstRun();
});

function applyFilter() {
  frames.setFilter({ text: byId("filter-text").value.trim(), type: byId("filter-type").value });
  list.reset();
  drawFirstRun();
}

/** Offers the types seen so far, without touching the choice that is open or made. */
function offerTypes() {
  const select = byId("filter-type");
  const known = new Set([...select.options].map(({ value }) => value));
  for (const type of frames.types.keys()) {
    if (known.has(type) || known.size > SHOWN_TYPES) continue;
    const option = document.createElement("option");
    option.value = type;
    option.textContent = type;
    select.append(option);
  }
}

function drawFigures() {
  byId("frame-rate").textContent = frames.events > 0 ? `${count(arrivedInSecond)}/s` : "";
  arrivedInSecond = 0;
  if (document.body.dataset.tab === "frames") unseen = 0;
  byId("frames-badge").hidden = unseen === 0;
  byId("frames-badge").textContent = unseen > 99 ? "99+" : count(unseen);
  offerTypes();
}

byId("filter-text").addEventListener("input", applyFilter);
byId("filter-type").addEventListener("change", applyFilter);
byId("pause").addEventListener("click", () => {
  list.paused = !list.paused;
  byId("pause").setAttribute("aria-pressed", list.paused);
  byId("pause").querySelector("[data-label]").textContent = list.paused ? "Resume" : "Pause";
  byId("pause").querySelector("use").setAttribute("href", list.paused ? "#i-play" : "#i-pause");
  announce(list.paused ? "Paused" : "Resumed");
});
byId("clear").addEventListener("click", () => {
  frames.clear();
  list.choose(null);
  list.reset();
  channelsPane.schedule();
  drawFirstRun();
});
setInterval(drawFigures, 1_000);

// Health

stats.onChange(({ health }) => {
  const box = byId("health");
  if (box.dataset.health === health) return;
  box.dataset.health = health;
  box.querySelector("[data-label]").textContent = HEALTH_WORDS[health];
  if (health === "draining" || health === "unreachable") announce(HEALTH_WORDS[health]);
});

// Tabs of the phone, and keys

function go(tab) {
  document.body.dataset.tab = tab;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.dataset.go === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  drawFigures();
  list.schedule();
}
for (const link of document.querySelectorAll("[data-go]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    go(link.dataset.go);
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  go("frames");
  byId("filter-text").focus();
});

go("frames");
connectionPane.connect();
