// A client of the run that reads server-sent events, as a browser's EventSource does: it keeps the id of the last whole message, and comes
// back with it. Written from docs/protocol.md (Server-sent events) alone.

import { request } from "node:http";
import { request as secureRequest } from "node:https";
import { call } from "./http.mjs";

/** How long a connection may say nothing, milliseconds: the server's ping is every 25 s. */
const SILENCE = 32_000;

/** One reader of `GET /events`. */
export class EventsClient {
  sight;
  counts;
  isOpen = false;
  latest = "";
  #base;
  #tokens;
  #chance;
  #seen;
  #channels;
  #lastId = "";
  #out = null;
  #timer = null;
  #refused = false;
  #failures = 0;

  constructor({ member, sight, url, tokens, counts, seen, chance }) {
    this.sight = sight;
    this.counts = counts;
    this.#base = url.replace(/^ws/, "http").replace(/\/ws$/, "");
    this.#tokens = tokens;
    this.#chance = chance;
    this.#seen = seen;
    this.#channels = [...member.channels];
    this.#connect();
  }

  /** Another list of channels is another request. */
  follow(channel) {
    this.#channels.push(channel);
    this.breakOff();
  }

  breakOff() {
    this.#out?.destroy();
  }

  destroy() {
    this.sight.ended = true;
    clearTimeout(this.#timer);
    this.breakOff();
  }

  async #connect() {
    this.latest = "connecting";
    try {
      const token = await this.#tokens.get(this.#refused ? "unauthorized" : "connect");
      const query = new URLSearchParams({ channels: this.#channels.join(",") });
      const headers = { accept: "text/event-stream" };
      if (this.#chance.happens(0.3)) {
        const { status, json } = await call(this.#base, "POST", "/events/ticket", { token });
        if (status !== 200) throw new Error(`no ticket: ${status}`);
        query.set("ticket", json.ticket);
      } else headers.authorization = `Bearer ${token}`;
      if (this.#lastId && this.#chance.happens(0.5)) query.set("last_event_id", this.#lastId);
      else if (this.#lastId) headers["last-event-id"] = this.#lastId;
      if (!this.sight.ended) this.#open(`${this.#base}/events?${query}`, headers);
    } catch (error) {
      this.#again(error.message);
    }
  }

  #again(why, after) {
    if (this.sight.ended || this.#timer) return;
    this.isOpen = false;
    this.latest = why;
    this.sight.tell(why);
    this.#failures += 1;
    const pause = after ?? this.#chance.within(50, Math.min(1_500, 100 * 2 ** this.#failures));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#connect();
    }, pause);
  }

  #open(url, headers) {
    const out = (url.startsWith("https:") ? secureRequest : request)(url, { headers, agent: false });
    this.#out = out;
    let ending;
    const silence = setTimeout(() => out.destroy(new Error("silent")), SILENCE);
    const over = (why) => {
      clearTimeout(silence);
      if (this.#out === out) this.#again(ending?.why ?? why, ending?.after);
    };
    out.on("error", (error) => over(error.message));
    out.on("close", () => over("closed"));
    out.on("response", (answer) => {
      this.#refused = answer.statusCode === 401;
      if (![200, 401, 503].includes(answer.statusCode))
        this.sight.fault(`/events was answered ${answer.statusCode}`);
      answer.on("error", () => {});
      if (answer.statusCode !== 200) return over(`answered ${answer.statusCode}`);
      this.counts.connections += 1;
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (more) => {
        silence.refresh();
        text += more;
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          ending = this.#message(text.slice(0, end)) ?? ending;
          text = text.slice(end + 2);
        }
      });
    });
    out.end();
  }

  /** One whole message. Where it is the last one: why it ends, and when to come back. */
  #message(text) {
    const fields = new Map();
    const data = [];
    for (const line of text.split("\n")) {
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
      if (name === "data") data.push(value);
      else fields.set(name, value);
    }
    if (fields.get("event") === "close") {
      const { code, reason } = JSON.parse(data.join("\n"));
      if (fields.get("id") === "!" && code !== 4001)
        this.sight.fault(`/events was closed for good: ${code} ${reason}`);
      this.#refused = code === 4001;
      return {
        why: `closed ${code} ${reason}`,
        after: fields.has("retry") ? Number(fields.get("retry")) : undefined,
      };
    }
    if (data.length > 0) this.#frame(JSON.parse(data.join("\n")));
    if (fields.has("id")) this.#lastId = fields.get("id");
    return undefined;
  }

  #frame(frame) {
    const { type, data } = frame;
    if (type === "connected" || type === "token_expiring") return;
    if (type === "error") return this.sight.fault(`an error: ${JSON.stringify(data)}`);
    if (type === "subscribed") {
      this.isOpen = true;
      this.latest = "open";
      this.#failures = 0;
      for (const [stream, { epoch, offset, recovered }] of Object.entries(data.positions)) {
        if (this.sight.bases.has(stream) && recovered !== true) {
          this.sight.fault(
            `/events: ${stream} is not recovered with ${this.#lastId}, told is ${epoch}/${offset}`,
          );
        }
      }
      if (this.#lastId) this.counts.recoveries += 1;
      return this.sight.told(data.positions, "subscribed");
    }
    this.sight.saw(frame);
    this.#seen(frame);
  }
}
