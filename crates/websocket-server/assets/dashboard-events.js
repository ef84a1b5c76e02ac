// The events of the case dashboard as a back end sends them: for each kind of work its stages in their order, and the publication
// of one of them. Members as in the contract of the dashboard. No DOM.

/** The queue that transcriptions are sent to; `queueId` of who follows them. */
export const QUEUE = "transcripts-1";

const PROGRESS = [25, 50, 75];

/** By kind: what it is called, what a new one's id begins with, its stages as `[type, label]` in order. */
export const KINDS = {
  image: {
    label: "Image", prefix: "doc",
    stages: [["image_processing_started", "Started"], ["image_processing_progress", "Progress"], ["image_processed", "Processed"],
      ["image_processing_failed", "Failed"]],
  },
  pdf: {
    label: "PDF", prefix: "report",
    stages: [["pdf_generation_started", "Started"], ["pdf_generation_progress", "Progress"], ["pdf_generated", "Generated"],
      ["pdf_generation_failed", "Failed"]],
  },
  transcription: {
    label: "Transcription", prefix: "call",
    stages: [["transcription_queued", "Queued"], ["transcription_processing", "Processing"], ["transcription_progress", "Progress"],
      ["transcription_complete", "Complete"], ["transcription_failed", "Failed"]],
  },
  status: {
    label: "Status", prefix: "case",
    stages: [["status_update", "Open"], ["status_update", "In review"], ["status_update", "Approved"], ["status_update", "Failed"]],
  },
};

const DATA = {
  image_processing_started: (id) => ({ documentId: id, documentType: "passport", status: "processing" }),
  image_processing_progress: (id, { progress }) => ({ documentId: id, documentType: "passport", status: "processing", progress }),
  image_processed: (id) => ({ documentId: id, documentType: "passport", status: "completed",
    signedUrl: `https://files.example/${encodeURIComponent(id)}.png`, processingDuration: 2500 }),
  image_processing_failed: (id, { error }) => ({ documentId: id, documentType: "passport", status: "failed", error }),
  pdf_generation_started: (id) => ({ reportId: id, status: "processing" }),
  pdf_generation_progress: (id, { progress }) => ({ reportId: id, status: "processing", progress }),
  pdf_generated: (id) => ({ reportId: id, pdfUrl: `https://files.example/${encodeURIComponent(id)}.pdf`, status: "completed", fileSize: 482_133 }),
  pdf_generation_failed: (id, { error }) => ({ reportId: id, status: "failed", error }),
  transcription_queued: (id) => ({ transcriptionId: id, status: "queued" }),
  transcription_processing: (id) => ({ transcriptionId: id, status: "processing" }),
  transcription_progress: (id, { progress }) => ({ transcriptionId: id, status: "processing", progress }),
  transcription_complete: (id) => ({ transcriptionId: id, status: "completed", duration: 125, wordCount: 318 }),
  transcription_failed: (id, { error }) => ({ transcriptionId: id, status: "failed", error }),
};

const STATES = ["open", "in_review", "approved", "failed"];

/** Whether a stage has the field: `progress` or `error`. */
export function hasField(kind, stage, field) {
  const [type] = KINDS[kind].stages[stage];
  if (field === "progress") return type.endsWith("_progress");
  return type.endsWith("_failed") || (type === "status_update" && STATES[stage] === "failed");
}

/** The publication of a stage: `{user, id, progress, error}` say the rest. Transcriptions go to the queue, all else to the user. */
export function publicationOf(kind, stage, { user, id, progress = 50, error = "" }) {
  const [type] = KINDS[kind].stages[stage];
  const target = kind === "transcription" ? { queue_id: QUEUE } : { user_id: user };
  if (type !== "status_update") return { type, ...target, data: DATA[type](id, { progress, error }) };
  const data = { updateType: "case", resource: id, status: STATES[stage], ...(STATES[stage] === "failed" ? { error } : {}) };
  return { type, ...target, data };
}

/** All that a piece of work goes through when it goes well, in order. */
export function wholeStory(kind, { user, id }) {
  const story = [];
  KINDS[kind].stages.forEach((_, stage) => {
    if (hasField(kind, stage, "error")) return;
    const steps = hasField(kind, stage, "progress") ? PROGRESS : [undefined];
    for (const progress of steps) story.push(publicationOf(kind, stage, { user, id, progress }));
  });
  return story;
}

/** Many small events at once, such as a batch of documents makes: `count` of them about four documents. */
export function burst(count, { user, first }) {
  return Array.from({ length: count }, (_, n) => {
    const id = `doc-${first + (n % 4)}`;
    const progress = Math.min(99, Math.round(((n + 1) / count) * 100));
    return publicationOf("image", 1, { user, id, progress });
  });
}

/** The id after this one: `doc-7` is followed by `doc-8`; an id without a number by itself. */
export function nextId(id) {
  return id.replace(/\d{1,9}$/, (digits) => String(Number(digits) + 1).padStart(digits.length, "0"));
}
