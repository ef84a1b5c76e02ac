// The dashboard's page: a list of documents out of what the client's files tell, and a back end that sends it. The client is
// getDashboardWebSocket() of /js/dashboard-websocket-init.js; toasts and the indicator are its files' too. Queues are followed by a
// plain socket beside it, since those files know users only.

import { mountBench } from "./bench-form.js";
import { mountBatching } from "./dashboard-batching.js";
import { burst, hasField, KINDS, nextId, publicationOf, QUEUE, wholeStory } from "./dashboard-events.js";
import { Documents } from "./dashboard-documents.js";
import { setFault } from "./form-fault.js";
import { count } from "./format.js";
import { HeldList } from "./held-list.js";
import { listen } from "./plain-client.js";
import { Session } from "./session.js";
import { showSignIn } from "./sign-in.js";
import { askServer, byId, element, icon, kept, mountPage, scriptsAreThere, time } from "./world-page.js";

const DOCUMENTS_KEY = "fanfare.demo.documents";
const SIGNED_IN_KEY = "fanfare.demo.dashboard.signed-in";
/** Between two states of a document that is played. */
const PACE_MS = 900;
const MARK_ICONS = { working: "working", queued: "clock", done: "check", failed: "cross", other: "dot" };

const { user: firstUser, batch, PlainWebSocket } = globalThis.fanfareDemo;
const session = new Session({ kept });
const isSignedIn = kept.get(SIGNED_IN_KEY) === true && session.current !== null;
let user = firstUser;

mountPage();

// Documents

const remembered = kept.get(DOCUMENTS_KEY);
let documents = new Documents(remembered?.user === user ? remembered.entries : []);
const rows = new Map();
const list = new HeldList({ list: byId("documents"), pill: byId("pill") });

function makeRow(entry) {
  const title = element("p", { className: "document-title" });
  const mark = element("span", { className: "mark" });
  const detail = element("div", { className: "document-detail" });
  const row = element("li", { className: "document" }, icon(entry.kind), title, mark, detail);
  row.parts = { title, mark, detail, meter: null };
  rows.set(entry.key, row);
  drawRow(row, entry);
  return row;
}

function drawRow(row, { title, mark, word, progress, detail, at }) {
  const { parts } = row;
  row.dataset.mark = mark;
  parts.title.textContent = title;
  parts.title.title = title;
  if (parts.mark.dataset.mark !== mark || parts.mark.textContent !== word) {
    parts.mark.dataset.mark = mark;
    parts.mark.replaceChildren(icon(MARK_ICONS[mark]), element("span", {}, word));
  }
  if (progress === null) {
    parts.meter = null;
    parts.detail.textContent = detail;
  } else {
    if (parts.meter === null) {
      const fill = element("span");
      const meter = element("div", { className: "meter", role: "progressbar", ariaLabel: title }, fill);
      meter.setAttribute("aria-valuemin", "0");
      meter.setAttribute("aria-valuemax", "100");
      const percent = element("span", { className: "percent" });
      parts.meter = { fill, meter, percent };
      parts.detail.replaceChildren(meter, percent);
    }
    parts.meter.meter.setAttribute("aria-valuenow", String(progress));
    parts.meter.fill.style.transform = `scaleX(${progress / 100})`;
    parts.meter.percent.textContent = `${progress} %`;
  }
  row.querySelector("time")?.remove();
  row.append(time(at));
}

function take(frame) {
  const taken = documents.take(frame, Date.now());
  if (taken === null) return;
  const { entry, isNew, gone } = taken;
  if (rows.has(gone)) {
    list.remove(rows.get(gone));
    rows.delete(gone);
  }
  if (isNew || !rows.has(entry.key)) {
    byId("empty").hidden = true;
    byId("documents").hidden = false;
    list.add(makeRow(entry));
  } else drawRow(rows.get(entry.key), entry);
  drawCounts();
}

function drawCounts() {
  const { working, done, failed } = documents.counts;
  const parts = [[working, "in work"], [done, "done"], [failed, "failed"]].filter(([number]) => number > 0);
  byId("counts").textContent = parts.map(([number, word]) => `${count(number)} ${word}`).join(" · ");
}

function drawAll() {
  list.clear();
  rows.clear();
  for (const entry of documents.all.sort((left, right) => left.at - right.at)) list.add(makeRow(entry));
  list.release();
  for (const row of rows.values()) delete row.dataset.new;
  byId("documents").hidden = rows.size === 0;
  byId("empty").hidden = rows.size > 0;
  drawCounts();
}

addEventListener("pagehide", () => kept.set(DOCUMENTS_KEY, { user, entries: documents.all }));

// The client

let counting;

function connectionDetail(words, canTry) {
  clearInterval(counting);
  const draw = () => { byId("connection-detail").textContent = typeof words === "function" ? words() : words; };
  draw();
  if (typeof words === "function") counting = setInterval(draw, 250);
  byId("try-now").hidden = !canTry;
}

function follow(client) {
  client.on("message", take);
  client.on("connected", () => {
    connectionDetail("", false);
    byId("sign-in").hidden = true;
    byId("list-box").hidden = false;
  });
  client.on("disconnected", ({ code, message, willReconnect, retryIn }) => {
    if (code === 4001) return signIn("The hub wants another token: this one is missing, wrong, or has ended.");
    if (!willReconnect) return connectionDetail(message, false);
    if (retryIn === null) return connectionDetail("Waiting for the network", true);
    const at = Date.now() + retryIn;
    return connectionDetail(() => `Reconnecting in ${Math.max(0, Math.ceil((at - Date.now()) / 1_000))} s`, true);
  });
  byId("try-now").addEventListener("click", () => client.connect(user));
}

async function signIn(why) {
  connectionDetail("", false);
  byId("list-box").hidden = true;
  const server = await askServer();
  await showSignIn({
    root: byId("sign-in"), session, server, why, heading: "Sign in to see your documents",
    purpose: "This hub lets in only who it knows: a user's documents are for that user's token.",
    done: () => {
      kept.set(SIGNED_IN_KEY, true);
      location.reload();
    },
  });
}

async function askForPolicy() {
  const server = await askServer();
  if (server?.dashboard === "token" && !isSignedIn) signIn("");
}

// The user

byId("user").value = user;
byId("user-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = byId("user").value.trim();
  setFault(byId("user"), wanted === "" ? "Type the id of a user, such as demo-7." : null);
  if (wanted === "" || wanted === user) return;
  user = wanted;
  document.body.dataset.userId = user;
  try {
    sessionStorage.setItem("user_id", user);
  } catch {
    // It holds for this page.
  }
  // What the address asked for is no longer so.
  history.replaceState(null, "", location.pathname);
  documents = new Documents();
  drawAll();
  bench.draw();
  globalThis.getDashboardWebSocket?.()?.connect(user);
});
if (isSignedIn) {
  byId("user").readOnly = true;
  byId("user-form").querySelector("button").hidden = true;
  byId("sign-out").hidden = false;
  byId("sign-out").addEventListener("click", () => {
    session.signOut();
    kept.set(SIGNED_IN_KEY, null);
    location.reload();
  });
}

// The queue

byId("queue-name").textContent = QUEUE;

function followQueue() {
  const words = { connecting: "Connecting", live: "Live", waiting: "Reconnecting", offline: "Offline" };
  const query = isSignedIn ? `?${new URLSearchParams({ token: session.current.token })}` : "";
  const address = new URL(`/${query}`, location.href.replace(/^http/, "ws"));
  return listen({
    url: address.href, hello: { type: "subscribe", queueId: QUEUE },
    onText: (text) => {
      try {
        const frame = JSON.parse(text);
        take(frame);
        if (frame.type === "transcription_complete") globalThis.showToast?.("Transcription complete", String(frame.transcriptionId ?? ""), "success");
        if (frame.type === "transcription_failed") globalThis.showToast?.("Transcription failed", String(frame.error ?? ""), "error");
      } catch {
        // No frame.
      }
    },
    onState: ({ name, why = "" }) => {
      byId("queue-state").textContent = words[name];
      byId("queue-state").dataset.mark = name === "live" ? "done" : "other";
      byId("queue-state").title = why;
    },
  }, { open: (url) => new PlainWebSocket(url) });
}

// The back end

const chosen = { kind: "image", stage: 0 };
const ids = { image: "doc-17", pdf: "report-4", transcription: "call-1", status: "case-9" };
let burstFrom = 100;
let playing = null;

function choices(box, name, options, current, choose) {
  box.replaceChildren(...options.map(([value, label]) => {
    const input = element("input", { type: "radio", name, value, checked: String(value) === String(current) });
    input.addEventListener("change", () => choose(value));
    return element("label", {}, input, element("span", {}, label));
  }));
}

function drawStages() {
  choices(byId("stages"), "stage", KINDS[chosen.kind].stages.map(([, label], stage) => [stage, label]), chosen.stage, (stage) => {
    chosen.stage = stage;
    drawForm();
  });
}

function drawForm() {
  const { kind, stage } = chosen;
  byId("progress-field").hidden = !hasField(kind, stage, "progress");
  byId("error-field").hidden = !hasField(kind, stage, "error");
  byId("target-note").textContent = kind === "transcription"
    ? `Goes to the queue ${QUEUE}, which this page follows by a plain socket.` : `Goes to user ${user}.`;
  bench.draw();
}

function values() {
  const id = byId("id").value.trim();
  const progress = Number(byId("progress").value);
  return { user, id, progress, error: byId("error").value.trim() };
}

function isProgress(progress) {
  return byId("progress").value.trim() !== "" && progress >= 0 && progress <= 100;
}

function publication() {
  const form = values();
  if (form.id === "" || (!byId("progress-field").hidden && !isProgress(form.progress))) return null;
  return publicationOf(chosen.kind, chosen.stage, form);
}

const bench = mountBench({
  publication,
  nobody: () => (chosen.kind === "transcription" ? "nobody follows the queue" : `user ${user} has no connection here`),
});

function checkForm() {
  const { id, progress } = values();
  setFault(byId("id"), id === "" ? "Type an id, such as doc-17." : null);
  const isWrong = !byId("progress-field").hidden && !isProgress(progress);
  setFault(byId("progress"), isWrong ? "A number from 0 to 100." : null);
  const wrong = [byId("id"), byId("progress")].find((field) => field.hasAttribute("aria-invalid"));
  wrong?.focus();
  return wrong === undefined;
}

function play() {
  if (playing !== null) return stopPlaying();
  if (!checkForm()) return undefined;
  const { id } = values();
  const story = wholeStory(chosen.kind, { user, id });
  byId("play").setAttribute("aria-pressed", "true");
  byId("play").querySelector("[data-label]").textContent = "Stop";
  const step = async () => {
    const next = story.shift();
    const answer = await bench.send(next);
    if (story.length === 0 || !answer.ok || playing === null) return stopPlaying(answer.ok);
    playing = setTimeout(step, PACE_MS);
    return undefined;
  };
  playing = setTimeout(step, 0);
  return undefined;
}

/** Behind a whole story stands the next document. */
function stopPlaying(isWhole = false) {
  clearTimeout(playing);
  playing = null;
  byId("play").setAttribute("aria-pressed", "false");
  byId("play").querySelector("[data-label]").textContent = "Play all states";
  if (!isWhole) return;
  byId("id").value = nextId(byId("id").value.trim());
  bench.draw();
}

choices(byId("kinds"), "kind", Object.entries(KINDS).map(([kind, { label }]) => [kind, label]), chosen.kind, (kind) => {
  ids[chosen.kind] = byId("id").value.trim() || ids[chosen.kind];
  Object.assign(chosen, { kind, stage: 0 });
  byId("id").value = ids[kind];
  drawStages();
  drawForm();
});
byId("id").value = ids.image;
byId("send-form").addEventListener("input", () => {
  for (const field of [byId("id"), byId("progress")]) setFault(field, null);
  bench.draw();
});
byId("send-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (checkForm()) bench.send(publication());
});
byId("play").addEventListener("click", play);
byId("first").addEventListener("click", play);

// Batching

mountBatching({ batch, onBurst: (count) => {
  bench.sendAll(burst(count, { user, first: burstFrom }));
  burstFrom += 4;
} });

// The beginning

drawAll();
drawStages();
drawForm();
document.addEventListener("DOMContentLoaded", () => {
  const there = scriptsAreThere([
    ["websocket-client.js", typeof globalThis.DashboardWebSocketClient === "function"],
    ["toast-notifications.js", typeof globalThis.showToast === "function"],
    ["dashboard-websocket-init.js", typeof globalThis.getDashboardWebSocket === "function"],
  ]);
  // Its listener was there first, so the client has been made; what it is told comes later.
  const client = globalThis.getDashboardWebSocket?.();
  if (client) follow(client);
  else if (!there) connectionDetail("A script is missing", false);
  followQueue();
  askForPolicy();
});
