// A process between everybody and the servers: it cuts connections at bytes of chance, holds them up and slows them down. What a
// connection will suffer is drawn when it opens; in calm times nobody suffers anything.

import { connect, createServer } from "node:net";
import { Chance } from "./chance.mjs";
import { serve } from "./children.mjs";

/** How long the server's side of a connection may outlive the client's, milliseconds. */
const GHOST = 8_000;

let seed = 0;
let calm = true;
const pairs = new Set();
const counts = { connections: 0, cuts: 0, ghosts: 0, stalls: 0, bytes: 0 };

serve({
  async open({ name, port, harshness }) {
    let number = 0;
    const listener = createServer({ noDelay: true }, (near) => {
      number += 1;
      counts.connections += 1;
      new Pair(near, port, fateOf(new Chance(seed, `${name}/${number}`), harshness));
    });
    await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
    return listener.address().port;
  },
  seed: (value) => {
    seed = value;
  },
  calm: (value) => {
    calm = value;
    if (calm) for (const pair of pairs) pair.release();
  },
  /** Cuts a share of all connections at once. */
  cut: (share) => {
    for (const pair of pairs) if (Math.random() < share) pair.cut();
  },
  /** Holds all connections up for so many milliseconds. */
  stall: (ms) => {
    for (const pair of pairs) pair.stall(ms);
  },
  counts: () => ({ ...counts, open: pairs.size }),
});

/** What will happen to a connection: at which byte of which direction, and how. `harshness`: from 0, nothing, to 1. */
function fateOf(chance, harshness) {
  const direction = () => chance.of(["up", "down"]);
  return {
    delay: chance.happens(0.3 * harshness) ? chance.within(1, 60) : 0,
    cut: chance.happens(0.6 * harshness)
      ? {
          way: direction(),
          at: Math.floor(chance.spread(1, 400_000)),
          how: chance.of(["reset", "end", "ghost"]),
        }
      : null,
    stall: chance.happens(0.3 * harshness)
      ? { way: direction(), at: Math.floor(chance.spread(1, 400_000)), ms: chance.spread(100, 6_000) }
      : null,
  };
}

/** Two sockets, and what goes from one to the other. */
class Pair {
  #near;
  #far;
  #fate;
  #heldUntil = 0;
  #held = new Set();
  #over = false;

  constructor(near, port, fate) {
    this.#near = near;
    this.#fate = fate;
    this.#far = connect({ port, host: "127.0.0.1", noDelay: true });
    pairs.add(this);
    for (const side of [near, this.#far]) side.on("error", () => this.#end()).on("close", () => this.#end());
    this.#carry("up", near, this.#far);
    this.#carry("down", this.#far, near);
  }

  /** Nothing holds it any more. */
  release() {
    this.#heldUntil = 0;
    for (const free of this.#held) free();
  }

  stall(ms) {
    this.#heldUntil = Math.max(this.#heldUntil, Date.now() + ms);
  }

  cut() {
    counts.cuts += 1;
    this.#near.resetAndDestroy();
    this.#far.resetAndDestroy();
  }

  #carry(way, from, to) {
    let passed = 0;
    from.on("data", async (bytes) => {
      from.pause();
      counts.bytes += bytes.length;
      const { cut, stall, delay } = this.#fate;
      passed += bytes.length;
      if (!calm) {
        if (stall?.way === way && passed >= stall.at) {
          counts.stalls += 1;
          this.#fate.stall = null;
          this.stall(stall.ms);
        }
        const wait = Math.max(delay, this.#heldUntil - Date.now());
        if (wait > 0) await this.#hold(wait);
        if (!calm && cut?.way === way && passed >= cut.at) {
          return this.#cutAt(to, bytes.subarray(0, Math.max(0, bytes.length - (passed - cut.at))), cut.how);
        }
      }
      if (to.destroyed) return;
      if (to.write(bytes)) from.resume();
      else to.once("drain", () => from.resume());
    });
    from.on("end", () => to.end());
  }

  /** Lets the last bytes through that may, and breaks off. */
  #cutAt(to, bytes, how) {
    counts.cuts += 1;
    const broken = () => {
      if (how === "end") {
        this.#near.end();
        this.#far.end();
      }
      if (how === "reset") this.#near.resetAndDestroy();
      else this.#near.destroy();
      if (how !== "ghost") return this.#far.destroy();
      // The server does not notice yet: what it writes goes nowhere.
      counts.ghosts += 1;
      this.#far.removeAllListeners("data");
      this.#far.resume();
    };
    if (bytes.length > 0 && !to.destroyed) to.write(bytes, broken);
    else broken();
  }

  #hold(ms) {
    return new Promise((resolve) => {
      const free = () => {
        clearTimeout(timer);
        this.#held.delete(free);
        resolve();
      };
      const timer = setTimeout(free, ms);
      this.#held.add(free);
    });
  }

  #end() {
    if (this.#over) return;
    this.#over = true;
    this.release();
    const both = () => {
      pairs.delete(this);
      this.#near.destroy();
      this.#far.destroy();
    };
    if (this.#near.destroyed && !this.#far.destroyed && this.#fate.cut?.how === "ghost")
      setTimeout(both, GHOST);
    else both();
  }
}
