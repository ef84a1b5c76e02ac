// Conversations of the social demo: messages in the order of their ids, what is being sent, who types, who is there, what was read. No
// DOM, no clock, no network. Users are compared as text, as the server does it.
//
// A conversation is whole up to `upTo`; after a loss it is stale until what came meanwhile was fetched, and what arrives live before
// that stands in its place already. Bounds: MOST_PEERS, MOST_MESSAGES; the oldest go.

/** Conversations that are kept. */
export const MOST_PEERS = 50;

/** Messages of one that are kept. */
export const MOST_MESSAGES = 500;

/** How long somebody types who says no more, milliseconds (contract: socketio). */
export const TYPING_MS = 6_000;

/** What a text may have, bytes of UTF-8 (issue: chat). */
export const MOST_BYTES = 4_096;

/** A user's id as it is sent: what looks like the services' ids is a number, as it is in a path. */
export function userOf(typed) {
  const text = typed.trim();
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : text;
}

/** What is wrong with a text, in words; null if it can be sent. */
export function faultOf(text) {
  const size = new TextEncoder().encode(text).length;
  if (text.trim() === "") return "Type a message.";
  if (size > MOST_BYTES) return `A message has at most ${MOST_BYTES} bytes, and this one has ${size}. Send it in parts.`;
  return null;
}

export class Chats {
  #self;
  #peers = new Map();
  #keys = 0;
  #kept = null;

  /** `self` is the user whose page it is. */
  constructor(self) {
    this.#self = String(self);
  }

  /** All, the one with the latest message first. */
  get all() {
    return [...this.#peers.values()].sort((left, right) => right.latest - left.latest);
  }

  /**
   * The conversation with a user: `{id, messages, sending, latest, upTo, isWhole, hasEarlier, unread, readTo, presence, since,
   * typingUntil}`. `messages` is by id; `hasEarlier`, whether the server has older ones; `readTo` is what the other has read;
   * `presence` is `online`, `offline`, or `unknown` before there was a sign.
   */
  with(user) {
    const id = String(user);
    const known = this.#peers.get(id);
    if (known) return known;
    const peer = {
      id, messages: new Map(), sending: [], latest: 0, upTo: 0, isWhole: false, hasEarlier: false, unread: 0, readTo: 0,
      presence: "unknown", since: null, typingUntil: 0,
    };
    this.#peers.set(id, peer);
    if (this.#peers.size > MOST_PEERS) {
      const idle = [...this.#peers.values()].filter((one) => one !== peer && one.id !== this.#kept && one.sending.length === 0);
      // Those who were only seen have no message.
      this.#peers.delete(idle.sort((left, right) => left.latest - right.latest)[0]?.id);
    }
    return peer;
  }

  /** The conversation that is open; it is never forgotten. */
  keep(user) {
    this.#kept = String(user);
  }

  /** Whether a message is one's own. */
  isMine({ from_user_id: from }) {
    return String(from) === this.#self;
  }

  /** With whom a message is exchanged. */
  peerOf({ from_user_id: from, to_user_id: to }) {
    return this.with(String(from) === this.#self ? to : from);
  }

  /** The messages of a conversation by their ids, and behind them what is being sent. */
  shown(user) {
    const peer = this.with(user);
    return [...[...peer.messages.values()].sort((left, right) => left.id - right.id), ...peer.sending];
  }

  /** Takes a message that arrived. Gives `{peer, isNew}`; null where it is none. */
  take(message) {
    if (!Number.isSafeInteger(message?.id) || typeof message.message !== "string") return null;
    if (!isUser(message.from_user_id) || !isUser(message.to_user_id)) return null;
    const peer = this.peerOf(message);
    const isNew = !peer.messages.has(message.id);
    if (isNew) {
      put(peer, message);
      if (peer.isWhole) peer.upTo = Math.max(peer.upTo, message.id);
      if (!this.isMine(message)) {
        peer.unread += 1;
        // Who has written has stopped typing.
        peer.typingUntil = 0;
      }
    }
    return { peer, isNew };
  }

  /** All conversations have to be fetched again. */
  lost() {
    for (const peer of this.#peers.values()) {
      peer.isWhole = false;
      peer.presence = "unknown";
      peer.typingUntil = 0;
    }
  }

  /** Takes what the server knows of a conversation as a whole. */
  told({ user_id: user, last_message: last, unread_count: unread, peer_last_read_id: readTo }) {
    if (!isUser(user)) return;
    const peer = this.with(user);
    peer.unread = Number(unread) || 0;
    peer.readTo = Math.max(peer.readTo, Number(readTo) || 0);
    peer.latest = Math.max(peer.latest, Number(last?.id) || 0);
  }

  /**
   * Takes a page of what was fetched, newest first; `hasMore`, whether there are older ones. Gives whether the conversation is whole
   * now: what was known before is reached, or there is no more.
   */
  fetched(user, items, hasMore) {
    const peer = this.with(user);
    const known = peer.upTo;
    for (const message of items) put(peer, message);
    const own = items.filter((one) => this.isMine(one));
    for (const { id, read } of own) if (read) peer.readTo = Math.max(peer.readTo, id);
    const unread = items.filter((one) => !this.isMine(one) && one.read === false);
    peer.unread = Math.max(peer.unread, unread.length);
    if (known === 0) peer.hasEarlier = hasMore;
    else if (hasMore && oldest(items) > known) return false;
    peer.isWhole = true;
    peer.upTo = Math.max(known, ...peer.messages.keys());
    this.#settle(peer);
    return true;
  }

  /** Takes a page of what is older than all that is shown. */
  fetchedEarlier(user, items, hasMore) {
    const peer = this.with(user);
    for (const message of items) put(peer, message);
    peer.hasEarlier = hasMore && peer.messages.size < MOST_MESSAGES;
  }

  /** Begins to send a text; the entry is shown behind all messages. */
  begin(user, text, at) {
    const peer = this.with(user);
    this.#keys += 1;
    const entry = { key: `s${this.#keys}`, message: text, at, state: "sending", after: peer.latest };
    peer.sending.push(entry);
    return entry;
  }

  /** What became of it. An answer that never came leaves it open until the messages were fetched. */
  answered(user, entry, { success, id, code, message }, now) {
    const peer = this.with(user);
    if (success) {
      peer.sending = peer.sending.filter((one) => one !== entry);
      if (!peer.messages.has(id)) {
        put(peer, { id, from_user_id: this.#self, to_user_id: peer.id, message: entry.message, timestamp: new Date(now).toISOString() });
      }
      if (peer.isWhole) peer.upTo = Math.max(peer.upTo, id);
    } else if (code === "unanswered") {
      entry.state = "open";
    } else {
      entry.state = "unsent";
      entry.why = message;
    }
  }

  /** Takes an entry back that was not sent. */
  drop(user, entry) {
    const peer = this.with(user);
    peer.sending = peer.sending.filter((one) => one !== entry);
  }

  /** Somebody types, or has stopped. */
  typing(user, isTyping, now) {
    const peer = this.with(user);
    peer.typingUntil = isTyping ? now + TYPING_MS : 0;
    if (isTyping) peer.presence = "online";
    return peer;
  }

  /** Somebody came or went. */
  present(user, presence, at) {
    return Object.assign(this.with(user), { presence, since: at, ...(presence === "offline" ? { typingUntil: 0 } : {}) });
  }

  /** Somebody has read up to a message. */
  read(user, messageId) {
    const peer = this.with(user);
    peer.readTo = Math.max(peer.readTo, Number(messageId) || 0);
    return peer;
  }

  /** The last message of the other, which says that all was read; null if nothing is unread. */
  toRead(user) {
    const peer = this.with(user);
    const theirs = [...peer.messages.values()].filter((one) => !this.isMine(one) || peer.id === this.#self);
    return peer.unread > 0 && theirs.length > 0 ? Math.max(...theirs.map(({ id }) => id)) : null;
  }

  /** What nobody knew of: stored if it is among the messages now, else it was not sent. */
  #settle(peer) {
    const own = [...peer.messages.values()].filter((one) => this.isMine(one));
    for (const entry of peer.sending.filter(({ state }) => state === "open")) {
      const at = own.findIndex(({ id, message }) => id > entry.after && message === entry.message);
      if (at < 0) Object.assign(entry, { state: "unsent", why: "The connection broke off before it arrived." });
      else {
        own.splice(at, 1);
        peer.sending = peer.sending.filter((one) => one !== entry);
      }
    }
  }
}

/** The lowest id among messages, or infinity. */
export function oldest(messages) {
  return Math.min(Number.POSITIVE_INFINITY, ...[...messages].map(({ id }) => id));
}

function put(peer, message) {
  peer.messages.set(message.id, message);
  peer.latest = Math.max(peer.latest, message.id);
  if (peer.messages.size > MOST_MESSAGES) peer.messages.delete(Math.min(...peer.messages.keys()));
}

function isUser(value) {
  return typeof value === "string" || typeof value === "number";
}
