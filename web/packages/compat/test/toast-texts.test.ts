// What the toasts say, word for word.

import { expect, test } from "vitest";
import { TOAST_TYPES, toastText } from "../src/toast-texts.js";

const said = (type: string, members: object = {}): [string, string, string] | undefined => {
  const text = toastText({ type, ...members });
  return text && [text.kind, text.title, text.message];
};

test("an image, a PDF and a transcription say what happened to which", () => {
  const image = { documentId: "17", documentType: "driver_license" };
  expect(said("image_processing_started", image)).toEqual([
    "info",
    "Image processing started",
    "Driver license 17",
  ]);
  expect(said("image_processed", { ...image, status: "completed", processingDuration: 2500 })).toEqual([
    "success",
    "Image processed successfully",
    "Driver license 17, 2.5 s",
  ]);
  expect(said("image_processing_failed", { ...image, error: "The photo is blurred" })).toEqual([
    "error",
    "Image processing failed: The photo is blurred",
    "Driver license 17",
  ]);
  expect(said("pdf_generated", { reportId: 9, fileSize: 1_234_567, status: "completed" })).toEqual([
    "success",
    "PDF ready",
    "Report 9, 1.2 MB",
  ]);
  expect(said("pdf_generation_failed", { reportId: 9, error: "No space left" })).toEqual([
    "error",
    "PDF generation failed: No space left",
    "Report 9",
  ]);
  expect(said("transcription_complete", { transcriptionId: "t", duration: 125, wordCount: 1314 })).toEqual([
    "success",
    "Transcription complete",
    "Transcription t, 2 min 5 s, 1,314 words",
  ]);
  expect(said("transcription_failed", { error: { message: "No speech\nfound" } })).toEqual([
    "error",
    "Transcription failed: No speech found",
    "",
  ]);
});

test("a cause that the title cannot hold is told below it", () => {
  const error = "The file could not be opened, since somebody else has it open at the moment";
  expect(said("pdf_generation_failed", { reportId: 9, error })).toEqual([
    "error",
    "PDF generation failed",
    `${error}, Report 9`,
  ]);
});

test("a status says of what, and how it stands", () => {
  expect(said("status_update", { updateType: "case", resource: "case-9", status: "closed" })).toEqual([
    "info",
    "Case 9: closed",
    "",
  ]);
  expect(said("status_update", { updateType: "review", resource: "case-9", status: "closed" })).toEqual([
    "info",
    "Case 9: closed",
    "Review",
  ]);
  expect(said("status_update", { resource: "Report 4", status: "completed" })).toEqual([
    "success",
    "Report 4: completed",
    "",
  ]);
  expect(said("status_update", { resource: "export", status: "failed", error: "No space left" })).toEqual([
    "error",
    "Export: failed: No space left",
    "",
  ]);
  expect(said("status_update", { resource: { type: "case", id: 12 }, status: "in_review" })).toEqual([
    "info",
    "Case 12: in review",
    "",
  ]);
});

test("a result whose status says that it failed is not called a success", () => {
  expect(said("image_processed", { status: "failed", error: "No face found" })).toEqual([
    "error",
    "Image processing failed: No face found",
    "",
  ]);
});

test("progress has no toast, nor have types that nobody knows", () => {
  for (const type of [
    "image_processing_progress",
    "pdf_generation_progress",
    "transcription_progress",
    "other",
  ]) {
    expect(said(type)).toBeUndefined();
  }
  expect(said("constructor")).toBeUndefined();
});

test("members that are missing or of another kind leave no hole in the words", () => {
  const strange = [undefined, null, 7, "", true, [], {}, { a: 1 }, Number.NaN, -1, Number.POSITIVE_INFINITY];
  const names = ["documentId", "documentType", "status", "error", "reportId", "fileSize", "duration"];
  names.push(
    "wordCount",
    "transcriptionId",
    "resource",
    "updateType",
    "message",
    "title",
    "processingDuration",
  );
  for (const type of TOAST_TYPES) {
    for (const value of strange) {
      const frame = Object.fromEntries(names.map((name) => [name, value]));
      const [, title = "", message] = said(type, frame) ?? [];
      expect(title).not.toBe("");
      expect(`${title} ${message}`).not.toMatch(/undefined|null|NaN|Infinity|\[object|true/);
    }
  }
});
