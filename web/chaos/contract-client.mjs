// A client of the run that was written from the protocol's document alone (docs/protocol.md, Nothing missed), and that does all that
// it allows: takes over from itself, uses a token twice, stops reading. Where the SDK and this one fail alike, it is the hub.

import WebSocket from "ws";

/** Milliseconds: between pings, without a word until the connection counts as dead, from the socket to the welcome. */
const PING = 2_500;
const SILENCE = 6_000;

/** How long a token may be used after the drop, milliseconds; the server's 2 min, less what goes by on the way. */
const RESUMABLE = 110_000;

/** One client by the contract. */
export class ContractClient {
  sight;
  counts;
  #url;
  #tokens;
  #chance;
  #seen;
  #channels;
  #positions = new Map();
  /** The token of the next resume; one that was taken; when the last connection ended. */
  #resume = null;
  #used = null;
  #droppedAt = 0;
  #line = null;
  #failures = 0;
  #timer = null;
  #latest = "";
  #refused = false;
  #away = null;

  constructor({ member, sight, url, tokens, counts, seen, chance }) {
    this.sight = sight;
    this.#url = url;
    this.#tokens = tokens;
    this.counts = counts;
    this.#seen = seen;
    this.#chance = chance;
    this.#channels = [...member.channels];
    this.#connect();
  }

  get isOpen() {
    return this.#line?.phase === "live";
  }

  get latest() {
    return this.#latest;
  }

  follow(channel) {
    this.#channels.push(channel);
    if (this.isOpen) this.#line.subscribe([channel], [channel]);
  }

  /** Comes back now, if it is away. */
  wake() {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#connect();
  }

  breakOff() {
    this.#line?.socket.terminate();
  }

  destroy() {
    this.sight.ended = true;
    clearTimeout(this.#timer);
    const line = this.#line;
    this.#line = null;
    line?.socket.terminate();
  }

  /** Something that a client may do and few do. */
  mischief() {
    const line = this.#line;
    if (!this.isOpen) return;
    const what = this.#chance.of(["terminate", "close", "deaf", "takeover", "ack", "away"]);
    this.sight.tell(what);
    if (what === "terminate") line.socket.terminate();
    else if (what === "close") line.socket.close(1000);
    else if (what === "deaf") line.deaf(this.#chance.within(500, 4_000));
    else if (what === "takeover") {
      // The old one stays until the server closes it.
      line.over = true;
      this.counts.takeovers += 1;
      this.#line = null;
      this.#droppedAt = Date.now();
      this.#connect();
    } else if (what === "away") {
      // Sometimes until the token has ended.
      this.#away = this.#chance.happens(0.2) ? 125_000 : this.#chance.spread(100, 20_000);
      line.socket.terminate();
    } else line.send({ type: "ack", ids: [crypto.randomUUID()] });
  }

  async #connect() {
    this.#latest = "connecting";
    let token;
    try {
      token = await this.#tokens.get(this.#refused ? "unauthorized" : "connect");
    } catch (error) {
      this.sight.tell(`no token: ${error.message}`);
      return this.#again();
    }
    if (this.sight.ended) return;
    this.#line = new Line(`${this.#url}?token=${token}`, {
      welcomed: (line) => this.#hello(line),
      frame: (line, frame) => this.#frame(line, frame),
      closed: (line, code, reason) => this.#closed(line, code, reason),
    });
  }

  #again(after) {
    if (this.sight.ended) return;
    this.#failures += 1;
    const pause = after ?? this.#chance.within(50, Math.min(1_500, 100 * 2 ** this.#failures));
    this.#timer = setTimeout(() => this.wake(), pause);
  }

  #hello(line) {
    if (line !== this.#line) return;
    this.counts.connections += 1;
    this.#refused = false;
    const positions = this.#where();
    if (this.#used && this.#chance.happens(0.3)) {
      // Must be refused, and cost nothing.
      line.used = true;
      line.resume(this.#used.token, positions);
    } else if (this.#resume && Date.now() - this.#droppedAt < RESUMABLE && this.#chance.happens(0.7)) {
      line.sent = this.#resume;
      line.resume(this.#resume, positions);
      this.#resume = null;
    } else this.#ask(line);
  }

  #ask(line) {
    line.subscribe(this.#channels, [...this.#positions.keys()], this.#where());
  }

  #where() {
    return Object.fromEntries(this.#positions);
  }

  #frame(line, frame) {
    if (line !== this.#line) return;
    const { type, data } = frame;
    if (type === "subscribed" || type === "resumed") return this.#answered(line, frame);
    if (type === "pong" || type === "token_expiring") return;
    if (type === "error") {
      if (line.phase === "resuming" && data.code === "not_found") {
        this.counts.refused += 1;
        if (line.used) this.#used = null;
        return this.#ask(line);
      }
      return this.sight.fault(`an error: ${JSON.stringify(data)}`);
    }
    if (line.phase !== "live") {
      if (frame.offset !== undefined)
        this.sight.fault(`an event with a place before the answer: ${frame.id}`);
      return;
    }
    if (frame.offset === undefined) {
      return this.sight.fault(`a plain event after the answer: ${JSON.stringify(frame).slice(0, 200)}`);
    }
    this.#move(frame.channel, frame.offset, frame.epoch, frame);
    for (const [stream, offset] of Object.entries(frame.also ?? {}))
      this.#move(stream, offset, undefined, frame);
    this.sight.saw(frame);
    this.#seen(frame);
  }

  #move(stream, offset, epoch, { id }) {
    const place = this.#positions.get(stream);
    if (place === undefined) return this.sight.fault(`${id} is in ${stream}, which was not told`);
    if (epoch !== undefined && epoch !== place.epoch) {
      this.sight.fault(`${id} in ${stream}: epoch ${epoch}, told was ${place.epoch}`);
    }
    if (offset > place.offset) place.offset = offset;
  }

  #answered(line, { type, data }) {
    const first = line.phase !== "live";
    if (line.used && type === "resumed") this.sight.tokens.push([this.#used.at, Date.now()]);
    // One that was sent may not have come through; one that was answered has.
    if (type === "resumed") this.#used = line.sent && { token: line.sent, at: Date.now() };
    line.phase = "live";
    this.#failures = 0;
    this.#latest = "open";
    if (typeof data.resume === "string") this.#resume = data.resume;
    else this.sight.fault(`${type} without a token`);
    if (type === "resumed") this.counts.resumes += 1;
    else if (first && this.#positions.size > 0) this.counts.recoveries += 1;
    for (const [stream, { epoch, offset, recovered }] of Object.entries(data.positions ?? {})) {
      const place = this.#positions.get(stream);
      if (place === undefined) this.#positions.set(stream, { epoch, offset });
      else if (first && recovered !== true) {
        this.sight.fault(
          `${type}: ${stream} is not recovered from ${JSON.stringify(place)}, told is ${epoch}/${offset}`,
        );
        this.#positions.set(stream, { epoch, offset });
      } else if (offset < place.offset) {
        this.sight.fault(`${type}: ${stream} ends at ${offset}, and ${place.offset} was seen`);
      }
    }
    this.sight.told(data.positions, type);
    const missing = this.#channels.filter(
      (channel) => !line.asked.has(channel) && !data.channels.includes(channel),
    );
    if (type === "resumed" && missing.length > 0) line.subscribe(missing, missing);
  }

  #closed(line, code, reason) {
    if (line.over) {
      // 1001 and 1006: the hub or the way to it ended first.
      if (![4011, 1001, 1005, 1006].includes(code))
        this.sight.tell(`the old one was closed ${code} ${reason}`);
      return;
    }
    if (line !== this.#line) return;
    this.#line = null;
    this.#latest = `closed ${code} ${reason}`;
    this.sight.tell(this.#latest);
    this.#droppedAt = Date.now();
    if (code === 4001) this.#refused = true;
    // 4011 would be another client with this one's token; 1002, 1007 and 1009 what this client sent.
    if ([4011, 4012, 1002, 1007, 1009].includes(code)) this.sight.fault(`closed ${code} ${reason}`);
    const after = /reconnect in (\d+) ms/.exec(reason);
    this.#again(this.#away ?? (code === 1001 && after ? Number(after[1]) : undefined));
    this.#away = null;
  }
}

/** One socket. */
class Line {
  socket;
  phase = "opening";
  /** It was given up on purpose, and another took over. */
  over = false;
  /** The token that it sent; whether one that had been taken before. */
  sent = null;
  used = false;
  asked = new Set();
  #heard = Date.now();
  #timer;

  constructor(url, { welcomed, frame, closed }) {
    this.socket = new WebSocket(url);
    this.socket.on("error", () => {});
    this.socket.on("message", (data) => {
      this.#heard = Date.now();
      const read = JSON.parse(data.toString());
      if (this.phase === "opening" && read.type === "connected") {
        this.phase = "welcomed";
        welcomed(this);
      } else frame(this, read);
    });
    this.socket.on("close", (code, reason) => {
      clearInterval(this.#timer);
      closed(this, code, reason.toString());
    });
    this.#timer = setInterval(() => {
      if (Date.now() - this.#heard > SILENCE + (this.phase === "live" ? 0 : SILENCE)) this.socket.terminate();
      else if (this.phase === "live") this.send({ type: "ping" });
    }, PING);
  }

  send(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  resume(token, positions) {
    this.phase = "resuming";
    this.send({ type: "resume", token, positions });
  }

  subscribe(channels, known, positions = {}) {
    if (this.phase !== "live") this.phase = "asking";
    for (const channel of channels) this.asked.add(channel);
    const given = known.some((stream) => positions[stream]) ? { positions } : {};
    this.send({ type: "subscribe", channels, recoverable: true, ...given });
  }

  /** Reads nothing for so long. */
  deaf(ms) {
    this.socket.pause();
    setTimeout(() => {
      this.#heard = Date.now();
      if (this.socket.readyState === WebSocket.OPEN) this.socket.resume();
    }, ms);
  }
}
