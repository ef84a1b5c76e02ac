// The channels that this page wants, and what the server said about each. Survives a lost connection: when a new one is
// live, all are asked for again. No DOM; sends through the function it is given.

const NAME = /^[A-Za-z0-9_\-:./@=]+$/;
const MAX_NAME_BYTES = 200;
const MAX_CHANNELS = 100;

/** What is wrong with a channel's name, in words, or `null`. */
export function nameFault(name) {
  if (name === "") return "Type a channel name, such as jobs.";
  if (name.startsWith("@")) return "Names that begin with @ are reserved for the server.";
  if (!NAME.test(name)) {
    const odd = [...name].find((character) => !NAME.test(character));
    return `“${odd}” cannot be in a channel name. Use letters, digits and _ - : . / @ =`;
  }
  if (name.length > MAX_NAME_BYTES) return `A channel name has at most ${MAX_NAME_BYTES} bytes; this one has ${name.length}.`;
  return null;
}

export class Subscriptions {
  #send;
  #channels = new Map();
  #listeners = new Set();

  /** `send(frame)` tells whether the frame went out. */
  constructor(send) {
    this.#send = send;
  }

  /** Each channel as `{name, state, error, received}`; states are `waiting`, `asking`, `on`, `refused`, `leaving`. */
  get all() {
    return [...this.#channels.values()];
  }

  has(name) {
    return this.#channels.has(name);
  }

  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** Asks for channels whose names are known to be valid. Returns a fault in words, or `null`. */
  subscribe(names) {
    const fresh = names.filter((name) => !this.#channels.has(name));
    if (this.#channels.size + fresh.length > MAX_CHANNELS) {
      return `A connection holds at most ${MAX_CHANNELS} channels. Unsubscribe from one first.`;
    }
    for (const name of fresh) this.#channels.set(name, { name, state: "waiting", error: null, received: 0 });
    this.#ask(names);
    return null;
  }

  unsubscribe(name) {
    const channel = this.#channels.get(name);
    if (!channel) return;
    const asked = channel.state !== "refused" && this.#send({ type: "unsubscribe", channels: [name] });
    if (asked) channel.state = "leaving";
    else this.#channels.delete(name);
    this.#changed();
  }

  /** A new connection is live: it has no subscriptions yet. */
  resubscribe() {
    for (const channel of this.all) if (channel.state === "leaving") this.#channels.delete(channel.name);
    this.#ask([...this.#channels.keys()]);
  }

  /** The connection is gone, and its subscriptions with it. */
  suspend() {
    for (const channel of this.#channels.values()) {
      if (channel.state !== "leaving") Object.assign(channel, { state: "waiting", error: null });
    }
    this.#changed();
  }

  /** Counts an event that is known to have come through a channel. */
  countEvent(name) {
    const channel = this.#channels.get(name);
    if (channel) channel.received += 1;
  }

  /** Takes the server's answers. Returns the message of an error that belongs to no channel here, else `null`. */
  receive(frame) {
    const data = frame?.data;
    if (frame?.type === "subscribed") this.#each(data?.channels, (channel) => Object.assign(channel, { state: "on", error: null }));
    else if (frame?.type === "unsubscribed") this.#each(data?.channels, (channel) => this.#left(channel));
    else if (frame?.type === "error") return this.#refused(data ?? {});
    return null;
  }

  #ask(names) {
    if (names.length > 0 && this.#send({ type: "subscribe", channels: names })) {
      this.#each(names, (channel) => Object.assign(channel, { state: "asking", error: null }));
    } else this.#changed();
  }

  #left(channel) {
    if (channel.state === "leaving") this.#channels.delete(channel.name);
  }

  #refused({ code, message, channel: name }) {
    const text = `${message ?? "The server refused a frame."}${code ? ` (${code})` : ""}`;
    const channel = typeof name === "string" ? this.#channels.get(name) : undefined;
    if (channel) {
      Object.assign(channel, { state: "refused", error: text });
      this.#changed();
      return null;
    }
    return text;
  }

  #each(names, change) {
    for (const name of Array.isArray(names) ? names : []) {
      const channel = this.#channels.get(name);
      if (channel) change(channel);
    }
    this.#changed();
  }

  #changed() {
    for (const listener of this.#listeners) listener();
  }
}
