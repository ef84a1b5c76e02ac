// The types of the dashboard's events, as constants. The hub passes any type; these are those that its pages know.

/** The types in use, by name. */
export const WS_MESSAGE_TYPES = {
  IMAGE_PROCESSING_STARTED: "image_processing_started",
  IMAGE_PROCESSING_PROGRESS: "image_processing_progress",
  IMAGE_PROCESSED: "image_processed",
  IMAGE_PROCESSING_FAILED: "image_processing_failed",
  PDF_GENERATION_STARTED: "pdf_generation_started",
  PDF_GENERATION_PROGRESS: "pdf_generation_progress",
  PDF_GENERATED: "pdf_generated",
  PDF_GENERATION_FAILED: "pdf_generation_failed",
  TRANSCRIPTION_QUEUED: "transcription_queued",
  TRANSCRIPTION_PROCESSING: "transcription_processing",
  TRANSCRIPTION_PROGRESS: "transcription_progress",
  TRANSCRIPTION_COMPLETE: "transcription_complete",
  TRANSCRIPTION_FAILED: "transcription_failed",
  REALTIME_UPDATE: "realtime_update",
  STATUS_UPDATE: "status_update",
} as const;

/** One of the types in use. */
export type WsMessageType = (typeof WS_MESSAGE_TYPES)[keyof typeof WS_MESSAGE_TYPES];
