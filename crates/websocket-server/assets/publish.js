// POST /broadcast: builds the request, writes it as a curl command, sends it, and puts the answer into words. The request
// that is sent and the one that curl shows are the same object. No DOM.

import { compact } from "./json-text.js";

/** How a target of the form becomes a member of the request. */
const MEMBER = { channel: "channel", user: "user_id", connection: "connection_id" };

/** The request for a form's values. `dataText` must be JSON; it goes out digit for digit. */
export function buildRequest({ base, type, target, dataText, apiKey }) {
  const members = [`"type":${JSON.stringify(type)}`, `"data":${compact(dataText)}`];
  const member = MEMBER[target.kind];
  if (member) members.push(`"${member}":${JSON.stringify(target.value)}`);
  const headers = { "Content-Type": "application/json" };
  if (apiKey) headers.Authorization = `Bearer ${apiKey}`;
  return { url: new URL("broadcast", base).href, headers, body: `{${members.join(",")}}` };
}

/** The same request as a shell command. `secret` stands in for the API key where it must not be seen. */
export function curlCommand({ url, headers, body }, { secret } = {}) {
  const lines = [`curl -X POST ${quoted(url)}`];
  for (const [name, value] of Object.entries(headers)) {
    if (name === "Authorization" && secret) lines.push(`-H "${name}: Bearer ${secret}"`);
    else lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  }
  lines.push(`-d ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

/** One word for a POSIX shell. */
function quoted(word) {
  return /^[A-Za-z0-9_\-.:/=@%+,]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * Sends the request. Gives `{ok: true, id, recipients, ms}` or `{ok: false, title, detail, means, next, field, ms}`; `field` names the
 * part of the form that the fault is about, where the answer tells.
 */
export async function publish(request) {
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  let response;
  let text;
  try {
    response = await fetch(request.url, { method: "POST", headers: request.headers, body: request.body });
    text = await response.text();
  } catch {
    return { ok: false, ms: elapsed(), ...unreached() };
  }
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // Not JSON: a proxy's page, say.
  }
  if (response.ok && answer?.success) return { ok: true, id: answer.id, recipients: answer.recipients, ms: elapsed() };
  return { ok: false, ms: elapsed(), status: response.status, ...inWords(response, answer) };
}

/** The words for an answer that never came. */
export function unreached() {
  return {
    title: "The server did not answer",
    detail: "It is not running there, the network is down, or it does not allow this page's origin.",
    means: "Most likely nothing was published.", next: "Check the address, then publish again.", field: null,
  };
}

/** The words for a refusal: `response` has its status and headers, `problem` is its body, if that was JSON. */
export function inWords(response, problem) {
  const { status } = response;
  const code = typeof problem?.code === "string" ? problem.code : null;
  const title = typeof problem?.title === "string" ? problem.title : STATUS_TITLES.get(status) ?? "The server refused the event";
  const detail = typeof problem?.detail === "string" ? problem.detail : "";
  const wait = Number(response.headers.get("Retry-After"));
  let next = "";
  let field = null;
  if (status === 401 || status === 403) {
    next = status === 401 ? "Give an API key that this server knows." : "Give an API key that may publish to this target.";
    field = "key";
  } else if (status === 404) {
    next = "The connection may have ended; use one that is open.";
    field = "target";
  } else if (status === 413) field = "data";
  else if (status === 422) field = fieldNamedIn(detail);
  else if (status === 429 || status === 503) {
    next = wait > 0 ? `Try again in ${wait} s.` : "Try again in a moment.";
  }
  return { title, detail, code, means: "Nothing was published.", next, field };
}

const STATUS_TITLES = new Map([
  [400, "Malformed JSON"], [401, "An API key is needed"], [403, "This key may not publish here"], [404, "Not found"],
  [413, "The event is too large"], [415, "Not JSON"], [422, "The event has the wrong shape"],
  [429, "Too many publications"], [503, "The server takes no events now"],
]);

function fieldNamedIn(detail) {
  if (/\b(?:channels?|user_ids?|connection_id|queue_id)\b/.test(detail)) return "target";
  if (/\bdata\b|deep|nest/.test(detail)) return "data";
  return /\btype\b/.test(detail) ? "type" : null;
}
