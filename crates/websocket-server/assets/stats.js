// Polls /stats every second and /health every five while the page is visible, and tells what changed. No DOM.

const STATS_EVERY_MS = 1_000;
const HEALTH_EVERY_MS = 5_000;
const TIMEOUT_MS = 4_000;
/** A server with more channels than this is asked less often, since each answer lists all of them. */
const MANY_CHANNELS = 500;

export class Stats {
  #base;
  #listeners = new Set();
  #timer = null;
  #round = 0;
  #healthAskedAt = -Infinity;
  /** `total` is null while unknown; `health` is `unknown`, `healthy`, `draining`, `unhealthy` or `unreachable`. */
  current = { total: null, byChannel: new Map(), health: "unknown", fresh: false };

  constructor(base) {
    this.#base = base;
    document.addEventListener("visibilitychange", () => this.#restart());
    this.#restart();
  }

  onChange(listener) {
    this.#listeners.add(listener);
    listener(this.current);
  }

  /** Asks another server from now on. */
  setBase(base) {
    if (base === this.#base) return;
    this.#base = base;
    this.current = { total: null, byChannel: new Map(), health: "unknown", fresh: false };
    this.#tell();
    this.#restart();
  }

  /** Asks now, after something that changed the counts. */
  refresh() {
    this.#restart();
  }

  #restart() {
    clearTimeout(this.#timer);
    this.#round += 1;
    if (document.visibilityState === "visible") this.#poll(this.#round);
  }

  async #poll(round) {
    const now = performance.now();
    const wantsHealth = now - this.#healthAskedAt >= HEALTH_EVERY_MS || !this.current.fresh;
    if (wantsHealth) this.#healthAskedAt = now;
    const [stats, health] = await Promise.all([this.#stats(), wantsHealth ? this.#health() : this.current.health]);
    if (round !== this.#round) return;
    this.current = stats ? { ...stats, health, fresh: true } : { ...this.current, health, fresh: false };
    this.#tell();
    const pause = this.current.byChannel.size > MANY_CHANNELS ? 5 * STATS_EVERY_MS : STATS_EVERY_MS;
    this.#timer = setTimeout(() => this.#poll(round), pause);
  }

  async #stats() {
    try {
      const response = await fetch(new URL("stats", this.#base), { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
      const { total, by_channel: byChannel } = await response.json();
      if (!Number.isInteger(total)) return null;
      return { total, byChannel: new Map(Object.entries(byChannel ?? {})) };
    } catch {
      return null;
    }
  }

  async #health() {
    try {
      const response = await fetch(new URL("health", this.#base), { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
      const { status } = await response.json();
      if (status === "healthy" || status === "draining") return status;
      return "unhealthy";
    } catch {
      return "unreachable";
    }
  }

  #tell() {
    for (const listener of this.#listeners) listener(this.current);
  }
}
