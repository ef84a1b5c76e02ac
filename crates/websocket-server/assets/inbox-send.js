// What the inbox demo's back end sends: notifications of a user, by POST /api/notifications with the user's own token, since users may
// make them for themselves. Shown as curl with `$TOKEN` in its place. No DOM.

import { inWords, unreached } from "./publish.js";

/** The most that are sent at a time, one after the other. */
export const MOST_AT_ONCE = 25;

/** How long one lives that is to go by itself, milliseconds. */
const SHORT_LIFE_MS = 60_000;

/** What can be sent: its name on the form, and what it says the n-th time. */
export const KINDS = [
  {
    key: "job", label: "Job", draft: (n) => ({
      type: "job_accepted", category: "jobs", title: "Job accepted",
      message: `${["Mara", "Jonas", "Aiko", "Tomás"][n % 4]} accepted “Translate the handbook”.`,
    }),
  },
  {
    key: "payment", label: "Payment", draft: (n) => ({
      type: "payment_released", category: "payments", title: "Payment released", message: `$${120 + n}.00 was released to your wallet.`,
    }),
  },
  {
    key: "upload", label: "Upload", draft: (n) => ({
      type: "upload_completed", category: "uploads", title: `invoices-${602 + n}.csv was uploaded`, message: "4,102 rows, 3 warnings.", priority: "low",
    }),
  },
  {
    key: "security", label: "Urgent", draft: () => ({
      type: "new_sign_in", category: "security", title: "Sign-in from a new device", message: "Firefox on Linux, Lyon. Was it you?", priority: "urgent",
    }),
  },
  {
    key: "long", label: "Long", draft: () => ({
      category: "announcements", title: "What changes on Monday: maintenance, new limits, and a longer list of things to know than fits into one line",
      message: "The service is away from 02:00 to 02:20. Nothing is lost: what happens meanwhile is in your inbox afterwards, once. ".repeat(3).trim(),
    }),
  },
  {
    key: "markup", label: "Markup", draft: () => ({
      category: "announcements", title: "<b>Bold</b> is text here", message: "<img src=x onerror=alert(1)> and so is this.",
    }),
  },
];

/** The body of a notification of a kind, the n-th; `isShort`: it goes by itself in a minute. */
export function draftOf(kind, n, { isShort = false, now = Date.now() } = {}) {
  const draft = KINDS.find(({ key }) => key === kind).draft(n);
  return isShort ? { ...draft, expires_at: new Date(now + SHORT_LIFE_MS).toISOString() } : draft;
}

/** The request that makes a notification. */
export function notificationRequest(base, draft, token) {
  return {
    url: new URL("api/notifications", base).href,
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify(draft),
  };
}

/** Makes it. Gives `{ok: true, id, ms}`, or what went wrong in words, as `publish` does. */
export async function sendNotification({ url, headers, body }) {
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  let response;
  let answer = null;
  try {
    response = await fetch(url, { method: "POST", headers, body });
    answer = JSON.parse(await response.text());
  } catch {
    if (response === undefined) return { ok: false, ms: elapsed(), ...unreached() };
  }
  if (response.ok && Number.isSafeInteger(answer?.id)) return { ok: true, id: answer.id, ms: elapsed() };
  if (response.status === 404) return { ok: false, ms: elapsed(), ...WITHOUT };
  return { ok: false, ms: elapsed(), ...inWords(response, answer), next: response.status === 401 ? "Sign in again." : "" };
}

const WITHOUT = {
  title: "There is no notification service behind this hub", detail: "", means: "Nothing was sent.", next: "Start “fanfare up”, which has one.",
};

/** What became of it, in one line. */
export function sentWords(answer, count = 1) {
  if (answer.ok) return count === 1 ? `Stored as ${answer.id} in ${Math.round(answer.ms)} ms` : `${count} stored`;
  return [answer.title, answer.detail === answer.title ? "" : answer.detail, answer.means, answer.next].filter(Boolean).map((words) => (/[.!?]$/.test(words) ? words : `${words}.`)).join(" ");
}

/** Whether there is an inbox behind this hub: it answers anything but that there is no such place. */
export async function hasInbox(token) {
  try {
    return (await fetch("/api/notifications?per_page=1", { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" })).status !== 404;
  } catch {
    return true;
  }
}
