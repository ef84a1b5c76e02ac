// What the dashboard's toasts say: for each type of event what happened, and to what. Pure; shows nothing.

import type { ToastKind } from "../../sdk/src/toast/index.js";
import type { FlatFrame } from "./flat-frames.js";

/** A toast: one line of what happened, one of what it happened to. */
export interface ToastText {
  readonly title: string;
  readonly message: string;
  readonly kind: ToastKind;
}

type Tell = (frame: FlatFrame) => ToastText;

/** By type. What only moves a bar on (`…_progress`) has no toast. */
const TEXTS: ReadonlyMap<string, Tell> = new Map<string, Tell>([
  ["image_processing_started", (frame) => info("Image processing started", image(frame))],
  [
    "image_processed",
    (frame) => done(frame, "Image processed successfully", "Image processing", image(frame)),
  ],
  ["image_processing_failed", (frame) => failure("Image processing", frame, image(frame))],
  ["pdf_generation_started", (frame) => info("PDF generation started", report(frame))],
  ["pdf_generated", (frame) => done(frame, "PDF ready", "PDF generation", report(frame))],
  ["pdf_generation_failed", (frame) => failure("PDF generation", frame, report(frame))],
  ["transcription_queued", (frame) => info("Transcription queued", transcription(frame))],
  ["transcription_processing", (frame) => info("Transcription started", transcription(frame))],
  [
    "transcription_complete",
    (frame) => done(frame, "Transcription complete", "Transcription", transcription(frame)),
  ],
  ["transcription_failed", (frame) => failure("Transcription", frame, transcription(frame))],
  ["realtime_update", update],
  ["status_update", status],
]);

/** The toast of an event; undefined where its type has none. */
export function toastText(frame: FlatFrame): ToastText | undefined {
  return TEXTS.get(frame.type)?.(frame);
}

/** The types that have one. */
export const TOAST_TYPES: readonly string[] = [...TEXTS.keys()];

/** The longest cause that has its place in the title, characters: two lines of a toast hold about 70. */
const MAX_CAUSE = 50;

const FAILED = /^(failed|failure|error|rejected|cancelled|canceled)$/i;
const SUCCEEDED = /^(completed?|success|succeeded|done|finished|ready|approved)$/i;

function info(title: string, message: string): ToastText {
  return { title, message, kind: "info" };
}

/** Of what is over: whether it went well, its status says. */
function done(frame: FlatFrame, title: string, what: string, message: string): ToastText {
  if (FAILED.test(word(frame.status))) return failure(what, frame, message);
  return { title, message, kind: "success" };
}

function failure(what: string, frame: FlatFrame, message: string): ToastText {
  return because(`${what} failed`, causeOf(frame), message);
}

/** A failure with its cause: beside the title, or below it where the title's two lines would cut it off. */
function because(title: string, cause: string, message: string): ToastText {
  if (!cause) return { title, message, kind: "error" };
  if (cause.length > MAX_CAUSE) return { title, message: line(cause, message), kind: "error" };
  return { title: `${title}: ${cause}`, message, kind: "error" };
}

function image(frame: FlatFrame): string {
  return line(
    named(words(frame.documentType) || "Document", frame.documentId),
    seconds(frame.processingDuration),
  );
}

function report(frame: FlatFrame): string {
  return line(named("Report", frame.reportId), size(frame.fileSize));
}

function transcription(frame: FlatFrame): string {
  const count = isNumber(frame.wordCount) ? frame.wordCount : undefined;
  const spoken = count === undefined ? "" : `${count.toLocaleString("en")} ${count === 1 ? "word" : "words"}`;
  return line(named("Transcription", frame.transcriptionId), length(frame.duration), spoken);
}

function update(frame: FlatFrame): ToastText {
  const what = word(frame.title) || words(frame.updateType) || words(frame.resource);
  return info(what || "Update received", word(frame.message) || word(frame.text));
}

function status(frame: FlatFrame): ToastText {
  const state = words(frame.status).toLowerCase();
  const what = nameOf(frame.resource) || words(frame.updateType) || "Status";
  const kind = words(frame.updateType);
  const cause = causeOf(frame);
  // "Case 9" says already that it is a case.
  const message = what.startsWith(kind) ? "" : kind;
  if (cause || FAILED.test(word(frame.status)))
    return because(`${what}: ${state || "failed"}`, cause, message);
  const title = state ? `${what}: ${state}` : `${what} updated`;
  if (SUCCEEDED.test(word(frame.status))) return { title, message, kind: "success" };
  return { title, message, kind: /^warning$/i.test(word(frame.status)) ? "warning" : "info" };
}

/** The cause of a failure: a text, or the message of an object. */
function causeOf({ error }: FlatFrame): string {
  if (typeof error === "object" && error !== null) return word((error as { message?: unknown }).message);
  return word(error);
}

/** What a status is about: a text, a number, or an object with a name. */
function nameOf(resource: unknown): string {
  if (typeof resource !== "object" || resource === null) return words(resource);
  const { name, title, type, id } = resource as Record<string, unknown>;
  return word(name) || word(title) || named(words(type), id);
}

/** A number that can be shown: `1e999` in JSON is none. */
function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** A text or a number as text, in one line; anything else is "". */
function word(value: unknown): string {
  if (typeof value !== "string" && !isNumber(value)) return "";
  return String(value).replace(/\s+/g, " ").trim();
}

/** A name as programs write it, for people: `driver_license` is "Driver license". */
function words(value: unknown): string {
  const text = word(value);
  const spaced = /^[A-Za-z][A-Za-z0-9_-]*$/.test(text) ? text.replace(/[_-]+/g, " ") : text;
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

function named(what: string, id: unknown): string {
  const which = word(id);
  return which ? `${what} ${which}`.trim() : "";
}

/** Milliseconds as seconds: "2.5 s". */
function seconds(ms: unknown): string {
  return isNumber(ms) && ms >= 0 ? `${Number((ms / 1_000).toFixed(1))} s` : "";
}

/** The length of a recording, given in seconds: "2 min 5 s". */
function length(given: unknown): string {
  if (!isNumber(given) || given < 0) return "";
  const whole = Math.round(given);
  const parts: [number, string][] = [
    [Math.floor(whole / 3_600), "h"],
    [Math.floor((whole % 3_600) / 60), "min"],
    [whole % 60, "s"],
  ];
  const shown = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`);
  return shown.join(" ") || "0 s";
}

/** Bytes: "1.2 MB". */
function size(bytes: unknown): string {
  if (!isNumber(bytes) || bytes < 0) return word(bytes);
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let left = bytes;
  while (left >= 1_000 && at < units.length - 1) {
    left /= 1_000;
    at++;
  }
  return `${at === 0 ? left : Number(left.toFixed(1))} ${units[at]}`;
}

function line(...parts: string[]): string {
  return parts.filter(Boolean).join(", ");
}
