// What this page published a moment ago, so that an arriving frame can be recognised: its target and its latency are then
// known exactly. A plain frame carries no id and no channel, so type and data are compared; a frame with an id is matched by
// that. Other tabs of the same browser are told, since they share this computer's clock. No DOM.

const UNANSWERED_MS = 30_000;
const ANSWERED_MS = 5_000;
const MAX_PENDING = 500;

/** Milliseconds on a clock that all tabs of this browser share and that is finer than `Date.now()`. */
function sharedClock(monotonic = performance.now()) {
  return performance.timeOrigin + monotonic;
}

export class Publications {
  #pending = [];
  #tabs;

  constructor() {
    this.#tabs = typeof BroadcastChannel === "function" ? new BroadcastChannel("fanfare.publications") : null;
    this.#tabs?.addEventListener("message", ({ data }) => {
      if (data?.kind === "begun") this.#keep(data.publication);
      else if (data?.kind === "answered") this.#answered(data.token, data.id, data.recipients);
    });
  }

  /** Remembers a publication that is about to be sent. `target` is `{kind, value}`. */
  begin(type, dataText, target) {
    const publication = { token: crypto.getRandomValues(new Uint32Array(2)).join("-"), key: key(type, JSON.parse(dataText)),
      target, sentAt: sharedClock(), until: sharedClock() + UNANSWERED_MS, id: null };
    this.#keep(publication);
    this.#tabs?.postMessage({ kind: "begun", publication });
    return publication.token;
  }

  /** The server answered; without recipients nothing will arrive. */
  answered(token, id, recipients) {
    this.#answered(token, id, recipients);
    this.#tabs?.postMessage({ kind: "answered", token, id, recipients });
  }

  /** The publication that this frame is, with its `latencyMs`, or `null`. Each is found once. */
  match(frame, arrivedAt) {
    if (this.#pending.length === 0) return null;
    const now = sharedClock(arrivedAt);
    this.#pending = this.#pending.filter((publication) => publication.until > now);
    const byId = typeof frame.id === "string" ? this.#pending.findIndex(({ id }) => id === frame.id) : -1;
    const wanted = byId >= 0 ? null : key(frame.type, frame.data);
    const found = byId >= 0 ? byId : this.#pending.findIndex((publication) => publication.key === wanted);
    if (found < 0) return null;
    const [{ target, sentAt }] = this.#pending.splice(found, 1);
    return { target, latencyMs: now - sentAt };
  }

  #keep(publication) {
    this.#pending.push(publication);
    if (this.#pending.length > MAX_PENDING) this.#pending.shift();
  }

  #answered(token, id, recipients) {
    const index = this.#pending.findIndex((publication) => publication.token === token);
    if (index < 0) return;
    if (recipients === 0) this.#pending.splice(index, 1);
    else Object.assign(this.#pending[index], { id, until: sharedClock() + ANSWERED_MS });
  }
}

/** The same for equal type and data, whatever the order of members. */
function key(type, data) {
  try {
    return `${type}\n${JSON.stringify(data, sortedMembers)}`;
  } catch {
    return `${type}\n(too deep to compare)`;
  }
}

function sortedMembers(_name, value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}
