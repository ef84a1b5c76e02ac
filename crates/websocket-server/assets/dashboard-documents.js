// The dashboard's list as a state: what each frame says of which document, folded into one entry per document. Strings of frames
// are kept as data and shown as text. No DOM, no socket. Bound: so many documents; beyond, the one that was longest without news
// goes.

/** Documents that are kept. */
export const MOST_DOCUMENTS = 200;

/** Characters of a text from a frame that are shown. */
const MOST_TEXT = 160;

const KINDS = [
  [/^image_process(ed$|ing_)/, "image", "documentId"],
  [/^pdf_generat(ed$|ion_)/, "pdf", "reportId"],
  [/^transcription_/, "transcription", "transcriptionId"],
  [/^status_update$/, "status", "resource"],
];

const MARKS = [
  [/_failed$/, "failed", "Failed"],
  [/_queued$/, "queued", "Queued"],
  [/^image_processed$/, "done", "Processed"],
  [/^pdf_generated$/, "done", "Ready"],
  [/_complete$/, "done", "Complete"],
  [/_(started|processing|progress)$/, "working", "Processing"],
];

const FAILED = /^(failed|failure|error|rejected|cancelled|canceled)$/i;
const DONE = /^(completed?|success|succeeded|done|finished|ready|approved)$/i;

/** An entry: `{key, kind, title, mark, word, progress, detail, at}`; `progress` is 0 to 100 or null, `at` in milliseconds. */
export class Documents {
  #byKey = new Map();

  /** Takes entries that were kept; what is no entry is left out. */
  constructor(entries = []) {
    for (const entry of Array.isArray(entries) ? entries : []) {
      if (typeof entry?.key === "string" && typeof entry.title === "string" && Number.isFinite(entry.at)) this.#byKey.set(entry.key, entry);
    }
  }

  /** All, the one with the last news last. */
  get all() {
    return [...this.#byKey.values()];
  }

  /** How many are in which state. */
  get counts() {
    const counts = { working: 0, done: 0, failed: 0 };
    for (const { mark } of this.#byKey.values()) {
      if (mark === "queued") counts.working += 1;
      else if (mark in counts) counts[mark] += 1;
    }
    return counts;
  }

  /**
   * Takes a frame. Gives `{entry, isNew, gone}`, with `gone` the key of an entry that had to go; null where the frame is of no
   * document, or older than what is known of it.
   */
  take(frame, now) {
    const entry = entryOf(frame, now);
    if (entry === null) return null;
    const known = this.#byKey.get(entry.key);
    // What was missed may come again after a reconnect.
    if (known !== undefined && entry.at < known.at) return null;
    this.#byKey.delete(entry.key);
    this.#byKey.set(entry.key, entry);
    let gone = null;
    if (this.#byKey.size > MOST_DOCUMENTS) {
      [gone] = this.#byKey.keys();
      this.#byKey.delete(gone);
    }
    return { entry, isNew: known === undefined, gone };
  }
}

function entryOf(frame, now) {
  const type = text(frame?.type);
  const found = KINDS.find(([pattern]) => pattern.test(type));
  if (found === undefined) return null;
  const [, kind, member] = found;
  const id = idOf(frame[member]);
  const at = Date.parse(text(frame.timestamp));
  return {
    key: `${kind} ${id}`, kind, title: titleOf(kind, id, frame), at: Number.isFinite(at) ? at : now,
    ...(kind === "status" ? stateOf(frame) : markOf(type, frame)),
  };
}

function markOf(type, frame) {
  const [, mark, word] = MARKS.find(([pattern]) => pattern.test(type)) ?? [null, "other", words(frame.status) || "Updated"];
  // A document may be done and have failed: its status says so.
  if (mark === "done" && FAILED.test(text(frame.status))) return { mark: "failed", word: "Failed", progress: null, detail: causeOf(frame) };
  const progress = mark === "working" && isNumber(frame.progress) ? Math.round(Math.min(100, Math.max(0, frame.progress))) : null;
  return { mark, word, progress, detail: mark === "failed" ? causeOf(frame) : detailOf(frame) };
}

function stateOf(frame) {
  const status = text(frame.status);
  const cause = causeText(frame);
  const mark = FAILED.test(status) || cause !== "" ? "failed" : DONE.test(status) ? "done" : "other";
  return { mark, word: words(status) || "Updated", progress: null, detail: cause || words(frame.updateType) };
}

function titleOf(kind, id, { documentType }) {
  const what = { image: words(documentType) || "Document", pdf: "Report", transcription: "Transcription", status: "" }[kind];
  return `${what} ${id || "without an id"}`.trim();
}

function detailOf({ message, processingDuration, fileSize, duration, wordCount }) {
  const parts = [text(message)];
  if (isNumber(processingDuration) && processingDuration >= 0) parts.push(`${Number((processingDuration / 1_000).toFixed(1))} s`);
  if (isNumber(fileSize) && fileSize >= 0) parts.push(size(fileSize));
  if (isNumber(duration) && duration >= 0) parts.push(`${Math.floor(duration / 60)} min ${Math.round(duration % 60)} s`);
  if (isNumber(wordCount)) parts.push(`${wordCount.toLocaleString("en")} words`);
  return parts.filter(Boolean).join(", ");
}

function causeOf(frame) {
  return causeText(frame) || "No cause was given";
}

function causeText({ error }) {
  return typeof error === "object" && error !== null ? text(error.message) : text(error);
}

function idOf(value) {
  if (typeof value !== "object" || value === null) return text(value);
  return text(value.name) || text(value.title) || text(value.id);
}

function size(bytes) {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(0)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** A string or number as one line of bounded length; anything else is "". */
function text(value) {
  if (typeof value !== "string" && !isNumber(value)) return "";
  const line = String(value).replace(/\s+/g, " ").trim();
  return line.length > MOST_TEXT ? `${line.slice(0, MOST_TEXT - 1)}…` : line;
}

/** `in_review` is "In review". */
function words(value) {
  const line = text(value);
  const spaced = /^[A-Za-z][\w-]*$/.test(line) ? line.replace(/[_-]+/g, " ") : line;
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
