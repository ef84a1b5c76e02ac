// What the chat service knows, over HTTP: messages with somebody, newest first, and all conversations. No DOM.

/** Messages of one answer. */
export const PAGE = 50;

/** The answer was a refusal; `status` says which. */
export class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

/** A page of messages with a user, newest first: `{items, hasMore}`. `before` is a message's id. Throws `Refused`, or a `TypeError`. */
export async function messagesWith(user, token, before = null) {
  const query = before === null ? "" : `&before=${before}`;
  const { items, next } = await ask(`/api/chat/${encodeURIComponent(user)}/messages?limit=${PAGE}${query}`, token);
  return { items, hasMore: next !== null && next !== undefined };
}

/** The conversations, the latest first; the first page of them. */
export async function conversations(token) {
  return (await ask(`/api/chat/conversations?limit=${PAGE}`, token)).items;
}

async function ask(path, token) {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
  let body = null;
  try {
    body = await answer.json();
  } catch {
    // Then the status is all there is.
  }
  if (answer.ok && Array.isArray(body?.items)) return body;
  throw new Refused(answer.status, typeof body?.detail === "string" ? body.detail : `the server answered ${answer.status}`);
}
