// What the demo pages have in common: the theme, words that are read out, ages that go on, the notice about a script of
// /js/ that is not there, what the hub says of itself, and the line about the connection. Not here: connections and events.

import { age, exactTime, timeOfDay } from "./format.js";
import { mountTheme } from "./theme.js";

export const byId = (id) => document.getElementById(id);

/** Where this hub's HTTP is. */
export const BASE = new URL("/", location.href).href;

const AGES_EVERY_MS = 1_000;

/** Makes an element: `element("span", { className: "hint" }, "words")`. Strings are text, never HTML. */
export function element(name, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const made = Object.assign(document.createElement(name), rest);
  Object.assign(made.dataset, dataset);
  made.append(...children);
  return made;
}

/** One of the page's symbols. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Says something to who listens instead of looking. */
export function announce(words) {
  byId("announcer").textContent = words;
}

/** A time that shows its age and has the exact time on hover; it goes on by itself. */
export function time(at) {
  const made = element("time", { className: "age figure", title: exactTime(at) }, age(Math.max(0, Date.now() - at)));
  made.dateTime = new Date(at).toISOString();
  return made;
}

function drawAges() {
  for (const one of document.querySelectorAll("time.age")) {
    const words = age(Math.max(0, Date.now() - Date.parse(one.dateTime)));
    if (one.textContent !== words) one.textContent = words;
  }
}

/** Begins: theme and ages. */
export function mountPage() {
  mountTheme(byId("theme"));
  setInterval(drawAges, AGES_EVERY_MS);
}

/** Says which of the clients' scripts are not there; true if all are. `scripts` is a list of `[file, is it there]`. */
export function scriptsAreThere(scripts) {
  const missing = scripts.filter(([, isThere]) => !isThere).map(([file]) => file);
  if (missing.length === 0) return true;
  byId("notice").replaceChildren(
    element("h2", {}, missing.length === 1 ? "A script of this page is missing" : "Scripts of this page are missing"),
    element("p", {}, "The hub has no ", ...missing.flatMap((file, at) => [at === 0 ? "" : at === missing.length - 1 ? " and no " : ", no ",
      element("code", {}, `/js/${file}`)]), ". Nothing can arrive here without; what you publish still goes out."),
    element("p", {}, "Build them in the folder web, start the hub again, and reload:"),
    element("pre", { className: "code", tabIndex: 0, ariaLabel: "Command" }, "npm run build -w @fanfare/compat"),
  );
  byId("notice").hidden = false;
  return false;
}

/** What the hub says of itself: `{tokens, dashboard}`; null if it does not answer. */
export async function askServer() {
  try {
    const answer = await fetch("/playground/server", { cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/**
 * The line about the connection. `show` takes `live`, `connecting`, `waiting` with `retryAt`, `offline` with `since`, or
 * `signed-out`, and a sentence for who wants to know more.
 */
export function connectionLine({ state, title, tryNow }, again) {
  let timer;
  tryNow.addEventListener("click", again);
  function show(name, { retryAt, since, detail = "" } = {}) {
    clearInterval(timer);
    state.dataset.state = name;
    state.title = detail;
    tryNow.hidden = name !== "waiting";
    const words = () => ({
      live: "Live", connecting: "Connecting", "signed-out": "Signed out",
      offline: since === undefined ? "Offline" : `Offline since ${timeOfDay(since)}`,
      waiting: `Reconnecting in ${Math.max(0, Math.ceil((retryAt - Date.now()) / 1_000))} s`,
    })[name];
    title.textContent = words();
    if (name === "waiting") timer = setInterval(() => { title.textContent = words(); }, 250);
  }
  return show;
}

/** Storage of this tab that may be blocked or full. */
export const kept = {
  get(key) {
    try {
      return JSON.parse(sessionStorage.getItem(key));
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      if (value === null) sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, JSON.stringify(value));
    } catch {
      // Then nothing outlives the page.
    }
  },
};
