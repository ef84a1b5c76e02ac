// The upload that the demo's back end plays: which event comes next, and the publications with their retained state. The plan is
// kept, so that it goes on where it was after a reload, as a worker elsewhere would. No DOM; storage is given.

import { STEPS } from "./uploads-state.js";

const PLAN_KEY = "fanfare.demo.upload";

/** How long the hub keeps the bar of an upload that is under way, in seconds. */
export const TTL_S = 3600;

/** What ends an upload before its time. */
export const ENDINGS = { fail: "ORA-20001: period NOV-26 is closed", cancel: "Cancelled by the user" };

/** The publication of a step: 0 is the start, 1 to 5 are the steps, 6 is the end. */
export function publicationAt(step, { userId, id }) {
  const retain = { key: `oracle_upload:${id}`, ttl_s: TTL_S };
  const base = (type, more) => ({ type: `oracle_upload_${type}`, user_id: userId, data: { transaction_id: id, ...more }, retain });
  if (step === 0) return base("started", { message: "Upload started" });
  if (step <= STEPS.length) {
    const name = STEPS[step - 1];
    return base("progress", { step: name, step_number: step, total_steps: STEPS.length, message: WORDS[step - 1], status: "processing" });
  }
  return ended(base("completed", { message: "Upload completed", success: true, result_path: `/exports/${id}.zip` }));
}

const WORDS = ["Checking 1,204 journal lines", "Sending 3 files", "Loading the interface tables", "Importing journals", "Posting to the ledger"];

/** The publication that ends it early; `how` is `fail` or `cancel`. */
export function endingOf(how, { userId, id }) {
  const message = how === "cancel" ? "Upload cancelled" : "Upload failed";
  return ended({ type: "oracle_upload_failed", user_id: userId, data: { transaction_id: id, message, error: ENDINGS[how] },
    retain: { key: `oracle_upload:${id}` } });
}

/** The last event of a task: kept for a minute, then forgotten. */
function ended(publication) {
  return { ...publication, retain: { key: publication.retain.key, final: true } };
}

export class Player {
  #kept;
  #plan;

  /** `kept` has `get(key)` and `set(key, value)`. */
  constructor(kept) {
    this.#kept = kept;
    const plan = kept.get(PLAN_KEY);
    this.#plan = Number.isInteger(plan?.next) && typeof plan.userId === "string" && "id" in plan ? plan : null;
  }

  /** `{userId, id, next}` of the upload that is under way, or null. */
  get plan() {
    return this.#plan;
  }

  /** Begins an upload; its first event is the next. */
  begin(userId, id) {
    this.#set({ userId, id, next: 0 });
  }

  /** The event that comes next; null if nothing is under way. */
  get next() {
    return this.#plan === null ? null : publicationAt(this.#plan.next, this.#plan);
  }

  /** The event was taken. Says whether it was the last. */
  advance() {
    const isLast = this.#plan.next > STEPS.length;
    this.#set(isLast ? null : { ...this.#plan, next: this.#plan.next + 1 });
    return isLast;
  }

  /** Nothing is under way any more. */
  end() {
    this.#set(null);
  }

  #set(plan) {
    this.#plan = plan;
    this.#kept.set(PLAN_KEY, plan);
  }
}
