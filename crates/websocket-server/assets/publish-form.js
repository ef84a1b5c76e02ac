// The publish form: reads the fields, says what is wrong at the field, shows the request as curl while it is typed, and the
// answer in words. The request itself is in publish.js.

import { copyFrom } from "./clipboard.js";
import { counted, duration } from "./format.js";
import { setFault } from "./form-fault.js";
import { pretty, tokenize } from "./json-text.js";
import { buildRequest, curlCommand, publish } from "./publish.js";
import { nameFault } from "./subscriptions.js";

/** A first event worth looking at, and types that the hub's own services send. */
export const SAMPLE = { type: "job_created", data: { job_id: 42, title: "Walk two dogs", pay_amount_usd: 25, job_type: "one-off" } };
const TYPES = ["job_created", "job_accepted", "job_completed", "job_refunded", "payment_held", "payment_confirmed", "payment_refunded", "notification"];
const HIDDEN_KEY = "••••••••";

export function mountPublishForm({ base, connection, subscriptions, publications, announce, onPublished }) {
  const byId = (id) => document.getElementById(id);
  const field = { type: byId("type"), kind: byId("target-kind"), target: byId("target-value"), key: byId("key"), data: byId("data") };
  const button = byId("publish-button");
  const remembered = new Map();
  let kindShown = "everyone";
  let waiting = false;

  field.data.value = JSON.stringify(SAMPLE.data, null, 2);
  byId("types").replaceChildren(...TYPES.map(option));
  if (/Mac|iP(hone|ad)/.test(navigator.platform)) byId("publish-keys").textContent = "⌘ ↵";

  function values() {
    const kind = field.kind.value;
    return {
      base: base(), type: field.type.value.trim(), dataText: field.data.value, apiKey: field.key.value.trim(),
      target: { kind, value: kind === "everyone" ? "" : field.target.value.trim() },
    };
  }

  /** What is wrong, by field; in the order of the form. */
  function faults({ type, target, dataText, apiKey }) {
    const found = [];
    if (type === "") found.push([field.type, "An event needs a type, such as job_created."]);
    const wrongTarget = targetFault(target);
    if (wrongTarget) found.push([field.target, wrongTarget]);
    if (/[^\x21-\x7e]/.test(apiKey)) found.push([field.key, "A key has no spaces or special characters."]);
    try {
      tokenize(dataText);
    } catch (fault) {
      found.push([field.data, fault.message]);
    }
    return found;
  }

  function draw() {
    const form = values();
    const found = faults(form);
    const wrongData = found.find(([where]) => where === field.data);
    setFault(field.data, wrongData?.[1] ?? null);
    for (const where of [field.type, field.target, field.key]) {
      if (where.hasAttribute("aria-invalid") && !found.some(([other]) => other === where)) setFault(where, null);
    }
    const box = byId("curl").parentElement;
    box.toggleAttribute("data-stale", found.length > 0);
    byId("copy-publish-curl").disabled = found.length > 0;
    byId("curl").textContent = found.length > 0 ? "The command stands here once the form is complete."
      : curlCommand(buildRequest({ ...form, apiKey: form.apiKey && HIDDEN_KEY }));
    byId("curl-label").textContent = form.apiKey ? "The same as curl, key hidden until copied" : "The same as curl";
  }

  function drawKind() {
    const kind = field.kind.value;
    remembered.set(kindShown, field.target.value);
    kindShown = kind;
    field.target.hidden = kind === "everyone";
    const own = { channel: subscriptions.all[0]?.name ?? "jobs", user: "", connection: connection.state.connectionId ?? "" }[kind] ?? "";
    field.target.value = remembered.get(kind) || own;
    field.target.placeholder = { channel: "jobs", user: "456", connection: "connection id" }[kind] ?? "";
    field.target.setAttribute("aria-label", { channel: "Channel", user: "User id", connection: "Connection id" }[kind] ?? "Target");
    setFault(field.target, null);
    offerTargets();
    draw();
  }

  function offerTargets() {
    const offers = { channel: subscriptions.all.map(({ name }) => name), connection: [connection.state.connectionId] }[field.kind.value] ?? [];
    byId("targets").replaceChildren(...offers.filter(Boolean).map(option));
  }

  async function send() {
    if (waiting) return;
    const form = values();
    const found = faults(form);
    for (const [where, message] of found) setFault(where, message);
    if (found.length > 0) {
      found[0][0].focus();
      return;
    }
    await sendRequest(form);
  }

  async function sendRequest(form) {
    waiting = true;
    button.setAttribute("aria-busy", "true");
    button.querySelector("[data-label]").textContent = "Publishing";
    const request = buildRequest(form);
    const token = publications.begin(form.type, form.dataText, form.target);
    const answer = await publish(request);
    publications.answered(token, answer.id ?? null, answer.ok ? answer.recipients : 0);
    waiting = false;
    button.removeAttribute("aria-busy");
    button.querySelector("[data-label]").textContent = "Publish";
    tell(answer, form.target);
    onPublished(answer);
  }

  function tell(answer, target) {
    const result = byId("result");
    result.dataset.ok = answer.ok;
    result.toggleAttribute("data-nobody", answer.ok && answer.recipients === 0);
    if (answer.ok) {
      const nobody = answer.recipients === 0;
      const words = nobody ? `Accepted, but ${nobodyThere(target)}` : `Queued to ${counted(answer.recipients, "connection")}`;
      result.replaceChildren(bold(words), text(duration(answer.ms)), code(`id ${answer.id}`));
      return;
    }
    const parts = [bold(`${answer.title.replace(/\.$/, "")}.`)];
    if (answer.detail && answer.detail !== answer.title) parts.push(text(sentence(answer.detail)));
    parts.push(text([answer.means, answer.next].filter(Boolean).join(" ")));
    if (answer.status) parts.push(code([answer.status, answer.code].filter(Boolean).join(" ")));
    result.replaceChildren(...parts);
    const where = { type: field.type, target: field.target.hidden ? null : field.target, key: field.key, data: field.data }[answer.field];
    if (where) setFault(where, answer.next || sentence(answer.detail || answer.title));
  }

  byId("publish-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId("publish-form").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  });
  byId("publish-form").addEventListener("input", draw);
  field.kind.addEventListener("change", drawKind);
  field.target.addEventListener("focus", offerTargets);
  byId("tidy").addEventListener("click", () => {
    try {
      field.data.value = pretty(field.data.value);
    } catch {
      field.data.focus();
    }
    draw();
  });
  byId("copy-publish-curl").addEventListener("click", (event) => {
    copyFrom(event.currentTarget, curlCommand(buildRequest(values())), announce);
  });
  draw();

  return {
    draw,
    apiKey: () => field.key.value.trim(),
    /** Publishes the sample to a channel and leaves the form filled with it, so that it can be sent again. */
    publishSample(channel) {
      field.type.value = SAMPLE.type;
      field.data.value = JSON.stringify(SAMPLE.data, null, 2);
      field.kind.value = "channel";
      remembered.set("channel", channel);
      drawKind();
      return send();
    },
  };
}

function targetFault({ kind, value }) {
  if (kind === "everyone") return null;
  if (kind === "channel") return nameFault(value);
  if (value !== "") return null;
  return kind === "user" ? "Type the id of a user." : "Type a connection id; this page's own is in the connection pane.";
}

function nobodyThere(target) {
  if (target.kind === "channel") return `nobody is subscribed to ${target.value}`;
  if (target.kind === "user") return `user ${target.value} has no connection here`;
  return "nobody is connected";
}

function sentence(words) {
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

function option(value) {
  const made = document.createElement("option");
  made.value = value;
  return made;
}

function bold(words) {
  return wrap("b", words);
}

function text(words) {
  return wrap("span", words);
}

function code(words) {
  return wrap("code", words);
}

function wrap(name, words) {
  const made = document.createElement(name);
  made.textContent = words;
  return made;
}
