// A client of the run that uses the SDK, as an application would. What it did wrong goes into its sight.

import WebSocket from "ws";

/** Pauses and heartbeats are short: a run has hundreds of outages, and each should be over soon. Milliseconds. */
const TIMES = { minDelay: 100, maxDelay: 1_500, heartbeatInterval: 2_500, heartbeatTimeout: 3_000 };

/** Errors that a run causes: the user service is away, or a token ended. */
const EXPECTED = new Set(["token"]);

/** One client with the SDK. */
export class SdkClient {
  sight;
  counts;
  #client;
  #sockets = new Set();
  #latest = "";
  #chance;
  #nap = null;

  constructor({ member, sight, createClient, url, tokens, counts, seen, chance }) {
    this.sight = sight;
    this.#chance = chance;
    this.counts = counts;
    const sockets = this.#sockets;
    class Socket extends WebSocket {
      constructor(...args) {
        super(...args);
        sockets.add(this);
        this.on("close", () => sockets.delete(this));
      }
    }
    this.#client = createClient({ url, WebSocket: Socket, getToken: (why) => tokens.get(why), ...TIMES });
    const client = this.#client;
    client.onAny((event) => {
      sight.saw(event);
      seen(event);
    });
    client.on("subscribed", (data) => this.#answered(data, "subscribed"));
    client.on("resumed", (data) => this.#answered(data, "resumed"));
    client.onGap(({ streams }) => sight.fault(`a gap was told in ${streams.join(", ")}`));
    client.onError((error) => {
      if (EXPECTED.has(error.code)) return sight.tell(`${error.code}: ${error.message}`);
      sight.fault(
        `an error: ${error.code} ${error.channel ?? ""} ${error.message} ${error.cause?.stack ?? ""}`,
      );
    });
    client.onState((state) => {
      this.#latest = `${state.status} ${state.reason?.code ?? ""} ${state.reason?.closeCode ?? ""}`.trim();
      sight.tell(this.#latest);
      if (state.status === "closed" && !sight.ended && !this.#nap) {
        sight.fault(
          `closed for good: ${state.reason.code} ${state.reason.closeCode ?? ""} ${state.reason.message}`,
        );
      }
      if (state.status === "open") counts.connections += 1;
    });
    client.subscribe(member.channels);
  }

  get isOpen() {
    return this.#client.state.status === "open";
  }

  get latest() {
    return this.#latest;
  }

  follow(channel) {
    this.#client.subscribe(channel);
  }

  /** The application closes it for a while, and goes on. */
  mischief() {
    if (this.#nap || !this.isOpen || this.#chance.happens(0.7)) return;
    this.#nap = setTimeout(() => this.wake(), this.#chance.spread(1, 15_000));
    this.#client.close();
  }

  wake() {
    if (!this.#nap) return;
    clearTimeout(this.#nap);
    this.#nap = null;
    this.#client.connect();
  }

  /** Its connection breaks off on its own side. */
  breakOff() {
    for (const socket of this.#sockets) socket.terminate();
  }

  /** It is gone, with all that it knew. */
  destroy() {
    this.sight.ended = true;
    clearTimeout(this.#nap);
    this.#client.close();
    this.breakOff();
  }

  #answered({ positions }, how) {
    if (how === "resumed") this.counts.resumes += 1;
    else if (Object.values(positions ?? {}).some(({ recovered }) => recovered)) this.counts.recoveries += 1;
    this.sight.told(positions, how);
  }
}
