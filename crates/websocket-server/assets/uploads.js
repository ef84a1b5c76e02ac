// The page of long tasks: uploads as /js/notification-service.js tells of them, and a back end that plays one. The bar is drawn from
// the hub's events alone; what the back end knows is never shown as progress, so that a reload shows what the hub has kept.

import { mountBench } from "./bench-form.js";
import { setFault } from "./form-fault.js";
import { exactTime, timeOfDay, timeWithSeconds } from "./format.js";
import { Session } from "./session.js";
import { showSignIn } from "./sign-in.js";
import { ENDINGS, endingOf, Player, publicationAt, TTL_S } from "./uploads-player.js";
import { FINAL_S, MOST_STEPS, STEPS, Uploads } from "./uploads-state.js";
import { announce, askServer, byId, connectionLine, element, icon, kept, mountPage, scriptsAreThere, time } from "./world-page.js";

/** What comes so soon after the greeting, older than it, is the hub's retained state. */
const RESTORED_MS = 2_000;
const MARK_ICONS = { queued: "clock", working: "working", done: "check", failed: "cross" };
const PACE_KEY = "fanfare.demo.pace";
const TRANSACTION_KEY = "fanfare.demo.transaction";
const PREFERENCES = ["desktop", "sound", "vibration"];

const session = new Session({ kept });
const player = new Player(kept);
const uploads = new Uploads();
const cards = new Map();
let service = null;
let server = null;
let connectedAt = 0;
let playing = null;
let isSending = false;

mountPage();

const showConnection = connectionLine({ state: byId("state"), title: byId("state-title"), tryNow: byId("try-now") }, () => service?.connect());

// Uploads

function makeCard({ key, name, id }) {
  const parts = {
    title: element("h2", { id: `title-${cards.size}-${id}` }, `${name} ${id}`), mark: element("span", { className: "mark" }),
    steps: element("ol", { className: "steps" }), bar: element("div", { role: "progressbar" }),
    message: element("p", { className: "upload-message" }), note: element("p", { className: "upload-note" }),
  };
  parts.bar.setAttribute("aria-labelledby", parts.title.id);
  parts.bar.append(parts.steps);
  parts.head = element("header", { className: "upload-head" }, parts.title, parts.mark);
  const card = element("article", { className: "card upload" }, parts.head, parts.bar, parts.message, parts.note);
  card.setAttribute("aria-labelledby", parts.title.id);
  card.parts = parts;
  cards.set(key, card);
  byId("uploads").prepend(card);
  return card;
}

function drawCard(card, entry, isRestored) {
  const { parts } = card;
  const { mark, word, step, total, steps, message, path, at } = entry;
  card.dataset.mark = mark;
  if (parts.mark.textContent !== word) {
    parts.mark.dataset.mark = mark;
    parts.mark.replaceChildren(icon(MARK_ICONS[mark]), element("span", {}, word));
  }
  parts.head.querySelector("time")?.remove();
  parts.head.append(time(at));
  drawSteps(parts.steps, entry);
  parts.bar.setAttribute("aria-valuemin", "0");
  parts.bar.setAttribute("aria-valuemax", String(total));
  parts.bar.setAttribute("aria-valuenow", String(step));
  parts.bar.setAttribute("aria-valuetext", [word, steps[step - 1]].filter(Boolean).join(": "));
  parts.message.replaceChildren(message, ...(path === "" ? [] : [message === "" ? "" : ". ", "The result is in ", element("code", {}, path)]));
  parts.message.hidden = message === "" && path === "";
  parts.note.replaceChildren(...notes(entry, isRestored).map((words) => element("span", {}, words)));
}

/** One segment a step while they can be told apart, else a few that stand for all. */
function drawSteps(box, { mark, step, total, steps }) {
  const drawn = Math.min(total, MOST_STEPS);
  const isNamed = total <= MOST_STEPS;
  const reached = isNamed ? step : Math.ceil((step / total) * drawn);
  const states = Array.from({ length: drawn }, (_, n) => {
    if (mark === "done" || n + 1 < reached) return "done";
    if (n + 1 === reached) return mark === "failed" ? "failed" : "now";
    return mark === "failed" && reached === 0 && n === 0 ? "failed" : "next";
  });
  while (box.childElementCount > drawn) box.lastElementChild.remove();
  states.forEach((state, n) => {
    const item = box.children[n] ?? box.appendChild(element("li", { className: "step" }));
    if (item.dataset.step === state && item.textContent === (steps[n] ?? "")) return;
    item.dataset.step = state;
    const sign = { done: [icon("check")], failed: [icon("cross")] }[state] ?? [];
    item.replaceChildren(element("span", { className: "step-name" }, ...sign, isNamed ? steps[n] || `Step ${n + 1}` : ""));
  });
}

function notes({ mark, at }, isRestored) {
  const restored = isRestored ? [`From the hub's retained state, as of ${timeWithSeconds(at)}`] : [];
  if (mark !== "done" && mark !== "failed") return restored;
  return [...restored, `The hub tells who joins until ${timeWithSeconds(at + FINAL_S * 1_000)}, then forgets it`];
}

function take(frame) {
  const now = Date.now();
  const taken = uploads.take(frame, now);
  if (taken === null) return;
  const { entry, gone } = taken;
  cards.get(gone)?.remove();
  cards.delete(gone);
  byId("empty").hidden = true;
  const isRestored = now - connectedAt < RESTORED_MS && entry.at < connectedAt;
  drawCard(cards.get(entry.key) ?? makeCard(entry), entry, isRestored);
  const name = entry.steps[entry.step - 1] ?? "";
  announce(`${entry.name} ${entry.id}: ${entry.word}${entry.mark === "working" && name ? `, ${name}` : ""}`);
  if ((entry.mark === "done" || entry.mark === "failed") && String(player.plan?.id) === entry.id) stopPlaying();
}

// The connection

function connect() {
  if (typeof globalThis.NotificationService !== "function") return;
  service?.disconnect();
  service = new globalThis.NotificationService({ token: () => session.freshToken() });
  const mine = service;
  showConnection("connecting");
  service.on("connected", () => {
    connectedAt = Date.now();
    showConnection("live", { detail: "Events arrive as they happen." });
    drawSession();
  });
  for (const name of ["uploadStarted", "uploadProgress", "uploadCompleted", "uploadFailed"]) service.on(name, take);
  service.on("disconnected", (event) => {
    if (mine === service) lost(event);
  });
  service.connect();
  drawPreferences();
}

/** A browser does not say whether a handshake was refused or never arrived; the token and the hub do. */
async function lost({ code, reason, message, willReconnect, retryIn }) {
  const mine = service;
  if (reason === "closed") return;
  if (willReconnect && retryIn !== null) showConnection("waiting", { retryAt: Date.now() + retryIn, detail: message });
  else showConnection("offline", { since: Date.now(), detail: message });
  if (code !== 4001 && reason !== "unreachable") return;
  const token = await session.freshToken();
  if (mine !== service) return;
  if (token === null || session.isOver) {
    leave("Your sign-in has ended. Sign in again, and the bar is where it was.");
  } else if (code === 4001) {
    service.connect();
  } else if ((await isRefused(token)) && mine === service && !service.isConnected) {
    leave("The hub is there but refused this token: it was signed with another key, or it has ended. Sign in again.");
  }
}

/** Whether the hub says that a token is no good; not where it is away, full or closing down. */
async function isRefused(token) {
  try {
    const answer = await fetch("/events/ticket", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    return answer.status === 401;
  } catch {
    return false;
  }
}

// Signing in

function drawSession() {
  const { current } = session;
  byId("signed-in").hidden = current === null;
  if (current === null) return;
  byId("who").textContent = current.name === `User ${current.userId}` ? current.name : `${current.name} (user ${current.userId})`;
  // Tokens of an account are renewed.
  byId("until").textContent = current.refresh ? "" : `until ${timeOfDay(current.expiresAt)}`;
  byId("until").title = exactTime(current.expiresAt);
}

function enter() {
  byId("sign-in").hidden = true;
  byId("room").hidden = false;
  drawSession();
  draw();
  connect();
  if (player.plan !== null && player.plan.userId !== session.current.userId) player.end();
  if (player.plan !== null) goOn();
}

async function leave(why) {
  const old = service;
  service = null;
  old?.disconnect();
  stopPlaying();
  session.signOut();
  showConnection("signed-out", { detail: why });
  drawSession();
  byId("room").hidden = true;
  draw();
  server ??= await askServer();
  await showSignIn({
    root: byId("sign-in"), session, server, why, done: enter,
    heading: "Sign in to see your uploads",
    purpose: "Progress is told only to the user whose upload it is. So this world is for signed-in users.",
  });
}

byId("sign-out").addEventListener("click", () => {
  for (const card of cards.values()) card.remove();
  cards.clear();
  player.end();
  leave("");
});

// What happens beside the page

function drawPreferences() {
  const chosen = service.getPreferences();
  for (const name of PREFERENCES) byId("ends").querySelector(`[name=${name}]`).checked = chosen[name];
}

byId("ends").addEventListener("change", async ({ target }) => {
  if (service === null) return;
  const wanted = target.checked;
  const inForce = await service.setPreferences({ [target.name]: wanted });
  drawPreferences();
  const isRefused = wanted && !inForce[target.name];
  byId("ends-note").hidden = !isRefused;
  byId("ends-note").textContent = isRefused ? "The browser does not allow notifications for this page. Its settings for this site can." : "";
});

// The back end

function transaction() {
  const typed = byId("transaction").value.trim();
  return /^[1-9]\d{0,14}$/.test(typed) ? Number(typed) : null;
}

const bench = mountBench({
  publication: () => {
    const id = transaction();
    if (player.plan !== null) return player.next;
    return session.current === null || id === null ? null : publicationAt(0, { userId: session.current.userId, id });
  },
  nobody: () => "no page of this user is connected; who joins later gets it",
  missing: () => (session.current === null ? "you are signed in" : "the transaction is a number"),
  marked: ({ retain }) => `"retain":${JSON.stringify(retain)}`,
});

function draw() {
  const { plan } = player;
  const isByHand = byId("pace").value === "0";
  const start = byId("start");
  start.textContent = plan === null ? "Start upload" : isByHand ? nextWords(plan.next) : "Running";
  start.disabled = session.current === null || (plan !== null && !isByHand);
  byId("transaction").readOnly = plan !== null;
  for (const id of ["fail", "cancel"]) byId(id).disabled = plan === null;
  bench.draw();
  const final = plan !== null && plan.next > STEPS.length;
  byId("retain-note").textContent = final
    ? `A final event is kept for ${FINAL_S} s, so that a page that is reloading now still learns of the end.`
    : `With retain the hub keeps this event under the key for ${TTL_S / 60} min, or until the next one of the same key.`;
}

function nextWords(next) {
  return next > STEPS.length ? "Complete" : `Next: ${STEPS[next - 1] ?? "start"}`;
}

/** Sends what comes next; an event that is not taken is not skipped. */
async function step() {
  if (isSending || player.plan === null) return;
  isSending = true;
  clearTimeout(playing);
  const { plan } = player;
  const answer = await bench.send(player.next);
  isSending = false;
  if (plan !== player.plan) return;
  if (answer.ok && player.advance()) nextTransaction();
  draw();
  goOn();
}

/** Waits for the next step where it comes by itself. */
function goOn() {
  clearTimeout(playing);
  const pace = Number(byId("pace").value);
  if (player.plan !== null) byId("transaction").value = String(player.plan.id);
  if (player.plan !== null && pace > 0) playing = setTimeout(step, pace);
}

function stopPlaying() {
  clearTimeout(playing);
  if (player.plan === null) return;
  player.end();
  nextTransaction();
  draw();
}

function nextTransaction() {
  const id = transaction();
  if (id === null) return;
  byId("transaction").value = String(id + 1);
  kept.set(TRANSACTION_KEY, id + 1);
}

byId("send-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (session.current === null) return;
  const id = transaction();
  setFault(byId("transaction"), id === null ? "A whole number, such as 602." : null);
  if (id === null) byId("transaction").focus();
  else {
    if (player.plan === null) player.begin(session.current.userId, id);
    step();
  }
});
byId("first").addEventListener("click", () => byId("send-form").requestSubmit());
byId("transaction").addEventListener("input", () => {
  setFault(byId("transaction"), null);
  bench.draw();
});
byId("pace").addEventListener("change", () => {
  kept.set(PACE_KEY, byId("pace").value);
  draw();
  goOn();
});
for (const how of Object.keys(ENDINGS)) {
  byId(how).addEventListener("click", async () => {
    const { plan } = player;
    if (plan === null) return;
    clearTimeout(playing);
    const answer = await bench.send(endingOf(how, plan));
    // What it was told by its own connection may have been quicker.
    if (plan !== player.plan) return;
    if (answer.ok) stopPlaying();
    else goOn();
  });
}

// The beginning

const pace = kept.get(PACE_KEY);
if ([...byId("pace").options].some(({ value }) => value === pace)) byId("pace").value = pace;

const nextId = kept.get(TRANSACTION_KEY);
if (Number.isSafeInteger(nextId) && nextId > 0) byId("transaction").value = String(nextId);

async function begin() {
  draw();
  const there = scriptsAreThere([["notification-service.js", typeof globalThis.NotificationService === "function"]]);
  if (!there) showConnection("offline", { detail: "The client's script is missing." });
  if (session.current !== null && !session.isOver) return enter();
  return leave(session.isOver ? "Your sign-in has ended. Sign in again, and the bar is where it was." : "");
}

begin();
