// What the demo pages' back ends send: publications of any target, as requests that publish.js can send and show as curl, and
// several at once by POST /broadcast/batch. No DOM. The form of the playground has a request builder of its own in publish.js.

import { inWords, publish, unreached } from "./publish.js";

/** The request that publishes one event. `publication` is the body of POST /broadcast. */
export function requestFor(base, publication, apiKey = "") {
  const headers = { "Content-Type": "application/json" };
  if (apiKey) headers.Authorization = `Bearer ${apiKey}`;
  return { url: new URL("broadcast", base).href, headers, body: JSON.stringify(publication) };
}

/** Publishes one event; the answer is that of `publish`. */
export function publishOne(base, publication, apiKey) {
  return publish(requestFor(base, publication, apiKey));
}

/**
 * Publishes up to 1,000 events in their order. Gives `{ok: true, recipients, count, ms}`, with all recipients together, or the
 * fault of the first that was refused, as `publish` does.
 */
export async function publishAll(base, publications, apiKey) {
  const { headers } = requestFor(base, {}, apiKey);
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  let response;
  let answers = null;
  try {
    response = await fetch(new URL("broadcast/batch", base), { method: "POST", headers, body: JSON.stringify(publications) });
    answers = JSON.parse(await response.text());
  } catch {
    if (response === undefined) return { ok: false, ms: elapsed(), ...unreached() };
  }
  if (!response.ok || !Array.isArray(answers)) return { ok: false, ms: elapsed(), status: response.status, ...inWords(response, answers) };
  const refused = answers.find((answer) => !answer?.success);
  if (refused) return { ok: false, ms: elapsed(), status: refused.status, ...inWords({ status: refused.status, headers: response.headers }, refused.error) };
  const recipients = answers.reduce((sum, answer) => sum + answer.recipients, 0);
  return { ok: true, recipients, count: answers.length, ms: elapsed() };
}

/** What became of an event, in one line. `nobody` says who is not there when it reached no connection. */
export function answerWords(answer, nobody = "nobody is connected") {
  if (!answer.ok) {
    const parts = [answer.title, answer.detail === answer.title ? "" : answer.detail, answer.means, answer.next];
    return parts.filter(Boolean).map(sentence).join(" ");
  }
  const what = answer.count === undefined ? "" : `${answer.count} events `;
  if (answer.recipients === 0) return `${what === "" ? "Accepted" : `${what}accepted`}, but ${nobody}`;
  const each = answer.count === undefined ? answer.recipients : answer.recipients / answer.count;
  const to = Number.isInteger(each) ? `${each} ${each === 1 ? "connection" : "connections"}` : "its connections";
  return what === "" ? `Queued to ${to}` : `${what}queued to ${to}`;
}

function sentence(words) {
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
