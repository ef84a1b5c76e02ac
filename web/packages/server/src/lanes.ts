// Who may send when: calls for the same target one after the other, in the order in which they were made, and only so many in all
// at the same time. Knows neither HTTP nor what is sent.

import { FanfareError } from "./errors.js";

interface Waiting {
  run(): void;
}

/** Lanes by name. */
export class Lanes {
  private readonly lanes = new Map<string, Waiting[]>();
  /** The heads of lanes that found no free place, in order. */
  private readonly ready: Waiting[] = [];
  private running = 0;
  private pending = 0;

  /** For calls to `who`. At most `maxConcurrent` run at the same time; of more than `maxPending` that run or wait, the newest is refused. */
  constructor(
    private readonly who: string,
    private readonly maxConcurrent: number,
    private readonly maxPending: number,
  ) {}

  /** Runs a job when those before it in its lane have ended, well or not. `signal` takes it out of the line. */
  run<Answer>(lane: string, signal: AbortSignal, job: () => Promise<Answer>): Promise<Answer> {
    if (this.pending >= this.maxPending) {
      const message = `${this.who} has ${this.pending} calls waiting already; this one was not sent.`;
      return Promise.reject(new FanfareError("overloaded", message));
    }
    this.pending++;
    return new Promise<Answer>((resolve, reject) => {
      const line = this.lanes.get(lane) ?? [];
      const leave = () => {
        this.pending--;
        const at = line.indexOf(waiting);
        line.splice(at, 1);
        if (line.length === 0) this.lanes.delete(lane);
        else if (at === 0) this.ready.push(...line.slice(0, 1));
        this.fill();
      };
      const abort = () => {
        const at = this.ready.indexOf(waiting);
        if (at >= 0) this.ready.splice(at, 1);
        leave();
        reject(signal.reason);
      };
      const waiting: Waiting = {
        run: () => {
          signal.removeEventListener("abort", abort);
          job()
            .then(resolve, reject)
            .finally(() => {
              this.running--;
              leave();
            });
        },
      };
      if (signal.aborted) {
        this.pending--;
        return reject(signal.reason);
      }
      signal.addEventListener("abort", abort, { once: true });
      line.push(waiting);
      this.lanes.set(lane, line);
      if (line.length > 1) return;
      this.ready.push(waiting);
      this.fill();
    });
  }

  /** Lets in as many as may run, the head that waited longest first: no lane keeps another from its turn. */
  private fill(): void {
    while (this.running < this.maxConcurrent) {
      const next = this.ready.shift();
      if (!next) return;
      this.running++;
      next.run();
    }
  }
}
