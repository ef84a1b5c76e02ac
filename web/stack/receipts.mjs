// Receipts into the Pub/Sub emulator, as a back end publishes them: one call of gRPC, `google.pubsub.v1.Publisher/Publish`, written out, since
// nothing else of it is needed. Each is repeated until Pub/Sub has taken it; the bridge has to bring it to the hub, once.

import { connect } from "node:http2";
import { setTimeout as pause } from "node:timers/promises";

/** How long a call may take, milliseconds. */
const PATIENCE = 5_000;

/** How long a receipt is tried, milliseconds. */
const DEFINITE = 60_000;

/** Publishes receipts until it is stopped. */
export class Receipts {
  /** What was taken, as the publishers of the chaos list it. */
  publications = [];
  /** Receipts that Pub/Sub did not take in time. */
  refused = 0;
  #authority;
  #topic;
  #over = false;
  #running;

  /** `rate`: receipts a second. */
  constructor({ authority, topic, chance, rate }) {
    this.#authority = authority;
    this.#topic = topic;
    this.#running = this.#run(chance, rate);
  }

  async #run(chance, rate) {
    for (let n = 1; !this.#over; n += 1) {
      await pause(chance.within(0, 2_000 / rate));
      const data = { type: "chaos", status: "processed", receipt_id: `r${n}`, p: "r", n, at: Date.now() };
      const body = publishRequest(this.#topic, JSON.stringify(data));
      const end = Date.now() + DEFINITE;
      let taken = false;
      while (!taken && Date.now() < end) {
        taken = await publish(this.#authority, body).catch(() => false);
        if (!taken) await pause(200);
      }
      if (!taken) {
        this.refused += 1;
        continue;
      }
      this.publications.push({ p: "r", n, streams: ["receipts"], id: null, tries: 1, unordered: true });
    }
  }

  async stop() {
    this.#over = true;
    await this.#running;
  }
}

/** One call on a connection of its own; whether it was carried out. */
function publish(authority, body) {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${authority}`);
    const timer = setTimeout(() => done(false), PATIENCE);
    const done = (taken) => {
      clearTimeout(timer);
      session.destroy();
      resolve(taken);
    };
    session.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    const stream = session.request({
      ":method": "POST",
      ":path": "/google.pubsub.v1.Publisher/Publish",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => done(false));
    stream.on("trailers", (trailers) => done(trailers["grpc-status"] === "0"));
    stream.resume();
    // gRPC's frame: not compressed, and its length.
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    stream.end(Buffer.concat([head, body]));
  });
}

/** `PublishRequest {topic = 1, messages = 2}` with one `PubsubMessage {data = 1}`. */
function publishRequest(topic, text) {
  const message = field(1, Buffer.from(text));
  return Buffer.concat([field(1, Buffer.from(topic)), field(2, message)]);
}

/** A field of bytes in Protocol Buffers' wire format. */
function field(number, bytes) {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
}

function varint(value) {
  const bytes = [];
  let left = value;
  for (; left > 0x7f; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return Buffer.from([...bytes, left]);
}
