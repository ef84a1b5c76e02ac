// The left pane: address and token, the connection's state in words, and the log of closes. The connection itself is in
// connection.js. The state is also shown in the top bar on a phone, where this pane is a tab.

import { ownAddress, parseAddress } from "./address.js";
import { copyFrom } from "./clipboard.js";
import { COME_BACK, knownCodes } from "./close-codes.js";
import { duration, exactTime, timeOfDay, timeWithSeconds } from "./format.js";
import { setFault } from "./form-fault.js";

const MAX_LOGGED = 50;

/** The state in a few words, and in a sentence. */
export function describeState(state, now) {
  const offline = state.offlineSince === null ? "" : `Offline since ${timeOfDay(state.offlineSince)}`;
  switch (state.name) {
    case "live":
      if (state.unansweredSince) return { look: "late", title: "Live, but not answering", detail: "A ping is unanswered. Gives up after 15 s and connects again." };
      return { look: "live", title: "Live", detail: `Since ${timeOfDay(state.since)}` };
    case "connecting":
      return { look: "connecting", title: "Connecting", detail: offline && `${offline}.` };
    case "waiting": {
      const left = Math.max(0, Math.ceil((state.retryAt - now) / 1000));
      return { look: "waiting", title: left > 0 ? `Reconnecting in ${left} s` : "Reconnecting", detail: `${offline}. ${state.cause} (${state.code}).` };
    }
    case "signed-out":
      return { look: "signed-out", title: "Signed out",
        detail: state.hadToken ? "The server refused the token (4001). Change it to connect." : "This server wants a token (4001). Give one to connect." };
    case "offline":
      return { look: "offline", title: offline,
        detail: `${state.cause ?? "You disconnected"}${state.code ? ` (${state.code})` : ""}. Nothing arrives until you connect.` };
    default:
      return { look: "offline", title: "Not connected", detail: "" };
  }
}

/** Wires the pane to a connection; `onAddress(address)` is told before each connect by hand. */
export function mountConnectionPane({ connection, announce, onAddress }) {
  const byId = (id) => document.getElementById(id);
  const form = byId("connect-form");
  const address = byId("address");
  const token = byId("token");
  let refusedToken = null;
  let spoken = "";

  address.value = ownAddress(location);
  fillCodes(byId("close-codes"));

  function connect() {
    setFault(address, null);
    setFault(token, null);
    let url;
    try {
      url = parseAddress(address.value, location);
    } catch (error) {
      setFault(address, error.message);
      address.focus();
      return;
    }
    const given = token.value.trim();
    if (connection.state.name === "signed-out" && url === connection.address && given === refusedToken) {
      setFault(token, given ? "The server refused this token. Give another one." : "This server wants a token.");
      token.focus();
      return;
    }
    address.value = url;
    onAddress(url);
    if (url === connection.address && connection.state.name === "live" && given && connection.token) {
      connection.refresh(given);
      drawButtons();
      return;
    }
    try {
      connection.connect(url, given);
    } catch (error) {
      setFault(address, `The browser does not open this address: ${error.message}`);
      address.focus();
    }
  }

  function changed() {
    let url = address.value;
    try {
      url = parseAddress(address.value, location);
    } catch {
      // Not an address yet: surely changed.
    }
    return url !== connection.address || token.value.trim() !== connection.token;
  }

  function drawButtons() {
    const { name } = connection.state;
    const busy = name === "live" || name === "connecting" || name === "waiting";
    const differs = busy && changed();
    form.classList.toggle("connect-changed", differs);
    byId("connect").hidden = busy && !differs;
    byId("connect").textContent = !busy ? "Connect" : connection.token && token.value.trim() && name === "live" ? "Use new token" : "Reconnect with this";
    byId("disconnect").hidden = !busy;
    byId("disconnect").textContent = name === "live" ? "Disconnect" : "Stop trying";
  }

  function draw() {
    const { state } = connection;
    const { look, title, detail } = describeState(state, Date.now());
    for (const view of document.querySelectorAll("[data-state-view]")) {
      view.dataset.state = look;
      setText(view.querySelector("[data-state-title]"), title);
    }
    for (const button of document.querySelectorAll("[data-try-now]")) button.hidden = state.name !== "waiting";
    setText(byId("state-detail"), detail);
    byId("state-detail").hidden = detail === "";
    byId("facts").hidden = state.name !== "live";
    if (state.name === "live") {
      setText(byId("round-trip"), state.roundTripMs === null ? "measuring" : duration(state.roundTripMs));
      setText(byId("connection-id"), state.connectionId ?? "not told");
      byId("connection-id").title = state.connectionId ?? "";
    }
    document.title = state.name === "live" ? "Fanfare playground" : `${title.replace(/ in \d+ s$/, "")} · Fanfare playground`;
    drawButtons();
  }

  connection.on("state", (state) => {
    if (state.name === "signed-out") refusedToken = connection.token;
    draw();
    const { title } = describeState(state, Date.now());
    const said = title.replace(/ in (\d+) s$/, "");
    if (said !== spoken) {
      spoken = said;
      announce(title);
    }
  });
  connection.on("close", (entry) => logClose(byId("close-log"), byId("closes-empty"), entry));
  connection.on("frame", ({ frame }) => {
    if (frame?.type === "token_expiring") setFault(token, `This token ends at ${timeWithSeconds(Date.parse(frame.data?.expires_at))}. Give a new one to stay.`);
    else if (frame?.type === "refreshed") setFault(token, null);
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    connect();
  });
  form.addEventListener("input", drawButtons);
  byId("disconnect").addEventListener("click", () => connection.disconnect());
  for (const button of document.querySelectorAll("[data-try-now]")) button.addEventListener("click", () => connection.tryNow());
  byId("copy-id").addEventListener("click", (event) => copyFrom(event.currentTarget, connection.state.connectionId ?? "", announce));
  setInterval(() => { if (connection.state.name === "waiting") draw(); }, 250);
  window.addEventListener("online", () => connection.tryNow());
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") connection.ping(); });
  draw();
  return { connect };
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Newest on top; the same close again and again is one entry with a count. */
function logClose(log, empty, entry) {
  empty.hidden = true;
  const same = `${entry.code} ${entry.reason.replace(/\d+/g, "n")} ${entry.meaning}`;
  const first = log.firstElementChild;
  const times = first?.dataset.same === same ? Number(first.dataset.times) + 1 : 1;
  const item = element("li");
  Object.assign(item.dataset, { same, times });
  const line = element("div", "close-line");
  const time = element("time", "", timeWithSeconds(entry.at));
  time.dateTime = new Date(entry.at).toISOString();
  time.title = exactTime(entry.at);
  line.append(element("span", "close-code", entry.code), element("strong", "", times > 1 ? `${entry.name} ×${times}` : entry.name), time);
  item.append(line);
  if (entry.reason && entry.reason !== entry.name) item.append(element("div", "close-reason", `“${entry.reason}”`));
  item.append(element("p", "", `${entry.meaning} ${entry.next}`));
  if (times > 1) first.replaceWith(item);
  else log.prepend(item);
  while (log.childElementCount > MAX_LOGGED) log.lastElementChild.remove();
}

function fillCodes(list) {
  for (const { code, name, meaning, comeBack } of knownCodes()) {
    const row = element("div");
    const fact = element("dd", "", `${name}. `);
    fact.append(element("span", "", `${meaning} The page comes back ${COME_BACK[comeBack]}.`));
    row.append(element("dt", "", code), fact);
    list.append(row);
  }
}
