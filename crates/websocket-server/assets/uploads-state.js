// Uploads as a state: what the events of a long task say of how far it is, folded into one entry per transaction. Numbers and
// texts come from others and are taken with care: a step that there is not, a million steps, events out of order. No DOM, no
// socket. Bound: so many uploads; beyond, the one that was longest without news goes.

/** The steps of an upload (contract: tasks). */
export const STEPS = ["Preparing Data", "Upload to UCM", "Interface Loader", "Journal Import", "AutoPost"];

/** Uploads that are kept. */
export const MOST_UPLOADS = 20;

/** Steps that are drawn one by one; a task with more has a bar without names. */
export const MOST_STEPS = 12;

const MOST_TEXT = 300;

/** How long the hub keeps a final event, in seconds (contract: tasks). */
export const FINAL_S = 60;

const EVENT = /^(\w+)_(started|progress|completed|failed)$/;

/**
 * An entry: `{key, id, name, mark, word, step, total, steps, message, path, at, stamp}`. `step` counts from 1, 0 before the first;
 * `steps` has names where they are known; `at` is in milliseconds, `stamp` the timestamp as it came.
 */
export class Uploads {
  #byKey = new Map();

  /** All, the one that began last first. */
  get all() {
    return [...this.#byKey.values()].reverse();
  }

  /** Whether there is none. */
  get isEmpty() {
    return this.#byKey.size === 0;
  }

  /** What is known of a transaction. */
  get(key) {
    return this.#byKey.get(key) ?? null;
  }

  /** Takes a frame. Gives `{entry, isNew, gone}`; null where it is of no task, or older than what is known. */
  take(frame, now) {
    const [, task, how] = EVENT.exec(text(frame?.type)) ?? [];
    const id = text(frame?.transaction_id);
    if (task === undefined || id === "") return null;
    const key = `${task}:${id}`;
    const known = this.#byKey.get(key) ?? null;
    const stamp = text(frame.timestamp);
    if (known !== null && isBefore(stamp, known.stamp)) return null;
    const parsed = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(stamp) ? stamp : `${stamp}Z`);
    const begun = how === "started" ? null : known;
    const entry = { key, id, name: named(task), at: Number.isFinite(parsed) ? parsed : now, stamp, path: "", ...STATES[how](frame, begun) };
    // A transaction that begins anew moves to the front.
    if (how === "started") this.#byKey.delete(key);
    this.#byKey.set(key, entry);
    let gone = null;
    if (this.#byKey.size > MOST_UPLOADS) {
      [gone] = this.#byKey.keys();
      this.#byKey.delete(gone);
    }
    return { entry, isNew: known === null, gone };
  }
}

const STATES = {
  started: (frame) => ({ mark: "queued", word: "Started", step: 0, ...stepsOf(frame, 0, null), message: text(frame.message) }),
  progress: (frame, begun) => {
    const total = whole(frame.total_steps, 1) ?? begun?.total ?? STEPS.length;
    const step = Math.min(total, whole(frame.step_number, 0) ?? begun?.step ?? 0);
    return { mark: "working", word: `Step ${step} of ${total}`, step, ...stepsOf(frame, total, begun, step), message: text(frame.message) };
  },
  completed: (frame, begun) => {
    // A task may say here that it did not go well.
    if (frame.success === false) return STATES.failed(frame, begun);
    const { total, steps } = stepsOf(frame, begun?.total ?? 0, begun);
    return { mark: "done", word: "Completed", step: total, total, steps, message: text(frame.message), path: text(frame.result_path) };
  },
  failed: (frame, begun) => {
    const [message, error] = [text(frame.message), text(frame.error)];
    const words = [...new Set([message, error].filter(Boolean))].join(": ");
    return { mark: "failed", word: "Failed", step: begun?.step ?? 0, ...stepsOf(frame, begun?.total ?? 0, begun), message: words || "No cause was given" };
  },
};

/** How many steps there are, and their names as far as they are known. */
function stepsOf(frame, given, begun, at = 0) {
  const total = given || begun?.total || STEPS.length;
  const known = begun?.steps?.length === total ? [...begun.steps] : total === STEPS.length ? [...STEPS] : new Array(Math.min(total, MOST_STEPS)).fill("");
  const name = text(frame.step);
  if (name !== "" && at >= 1 && at <= known.length) known[at - 1] = name;
  return { total, steps: known };
}

/** Timestamps of one form are compared as text: they are finer than a date. */
function isBefore(left, right) {
  return left !== "" && right !== "" && left.length === right.length && left < right;
}

function whole(value, least) {
  return Number.isSafeInteger(value) && value >= least ? value : null;
}

function named(task) {
  const spaced = task.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** A string or number as one line of bounded length; anything else is "". */
function text(value) {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  if (typeof value !== "string") return "";
  const line = value.replace(/\s+/g, " ").trim();
  return line.length > MOST_TEXT ? `${line.slice(0, MOST_TEXT - 1)}…` : line;
}
