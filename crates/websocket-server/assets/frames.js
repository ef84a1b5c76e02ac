// The frames that arrived: a bounded record of the last 1,000, what is known about each, and the filter over them. When the
// record is full the oldest goes. No DOM; frame-list.js draws it.

const MAX_FRAMES = 1_000;
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_CLOCK_GAP_MS = 3_600_000;

const PROTOCOL_TYPES = new Set(["connected", "subscribed", "unsubscribed", "pong", "error", "token_expiring", "refreshed",
  "resumed", "history", "presence", "presence_changed"]);

const utf8 = new TextEncoder();

export class Frames {
  #publications;
  #records = [];
  #view = [];
  #bytes = 0;
  #sequence = 0;
  #filter = { text: "", type: "" };
  /** Events by type since the last clear, for the filter's choices. */
  types = new Map();
  /** Events (not protocol frames) since the last clear. */
  events = 0;
  /** Events of which the channel is unknown. */
  unattributed = 0;

  constructor(publications) {
    this.#publications = publications;
  }

  /** The records that pass the filter, oldest first. Changes with every `add`; copy it to hold it. */
  get view() {
    return this.#view;
  }

  get size() {
    return this.#records.length;
  }

  /** Whether each new frame takes the place of the oldest. */
  get full() {
    return this.#records.length >= MAX_FRAMES;
  }

  /** Records a frame and returns the record. `frame` is null where the text is not JSON. */
  add({ text, frame, arrivedAt }) {
    const isObject = frame !== null && typeof frame === "object";
    const type = isObject && typeof frame.type === "string" ? frame.type : "(no type)";
    const protocol = PROTOCOL_TYPES.has(type);
    const record = {
      sequence: ++this.#sequence, at: Date.now(), text, type, protocol,
      size: utf8.encode(text).length, target: null, latency: null,
      lower: null,
    };
    if (isObject && !protocol) this.#recognise(record, frame, arrivedAt);
    if (!protocol) {
      this.events += 1;
      if (record.target === null) this.unattributed += 1;
    }
    this.types.set(type, (this.types.get(type) ?? 0) + 1);
    this.#records.push(record);
    this.#bytes += text.length;
    if (this.#passes(record)) this.#view.push(record);
    while (this.#records.length > MAX_FRAMES || (this.#bytes > MAX_BYTES && this.#records.length > 1)) this.#evict();
    return record;
  }

  clear() {
    this.#records = [];
    this.#view = [];
    this.#bytes = 0;
    this.events = 0;
    this.unattributed = 0;
    this.types.clear();
  }

  /** Free text, and a type: `""` is every event, `"*"` the protocol's own frames as well. */
  setFilter({ text, type }) {
    this.#filter = { text: text.toLowerCase(), type };
    this.#view = this.#records.filter((record) => this.#passes(record));
  }

  get filtered() {
    return this.#filter.text !== "" || this.#filter.type !== "";
  }

  #passes(record) {
    const { text, type } = this.#filter;
    if (type === "" ? record.protocol : type !== "*" && record.type !== type) return false;
    if (text === "") return true;
    record.lower ??= record.text.toLowerCase();
    return record.lower.includes(text) || (record.target?.value ?? "").toLowerCase().includes(text);
  }

  #recognise(record, frame, arrivedAt) {
    const published = this.#publications.match(frame, arrivedAt);
    if (published) {
      record.target = published.target;
      record.latency = { ms: published.latencyMs, by: "measured" };
    } else {
      const sent = Date.parse(frame.timestamp);
      const gap = record.at - sent;
      if (Number.isFinite(sent) && Math.abs(gap) <= MAX_CLOCK_GAP_MS) record.latency = { ms: gap, by: "clocks" };
    }
    if (typeof frame.channel === "string") record.target = { kind: "channel", value: frame.channel };
  }

  #evict() {
    const oldest = this.#records.shift();
    this.#bytes -= oldest.text.length;
    if (this.#view[0] === oldest) this.#view.shift();
  }
}
