// What the package offers. Nothing happens on import: the functions make their publisher, by the environment, when first called.

import { createFanfare, type Fanfare } from "./broadcasts.js";

export { createFanfare, type Fanfare } from "./broadcasts.js";
export { FanfareError, type FanfareErrorCode, type FanfareErrorDetails } from "./errors.js";
export { WS_MESSAGE_TYPES, type WsMessageType } from "./message-types.js";
export type * from "./types.js";

let shared: Fanfare | undefined;

/** The publisher of the functions below, by `WS_SERVICE_URL` and `FANFARE_API_KEY`. */
function own(): Fanfare {
  shared ??= createFanfare();
  return shared;
}

/** `publish` of the publisher that the environment names. */
export const publish: Fanfare["publish"] = async (...call) => own().publish(...call);

/** `publishBatch` of that publisher. */
export const publishBatch: Fanfare["publishBatch"] = async (...call) => own().publishBatch(...call);

/** Tells a user, wherever connected, of anything. `data` holds `type` and the event's members. */
export const broadcastToUser: Fanfare["broadcastToUser"] = async (...call) => own().broadcastToUser(...call);

/** Tells a user what became of an image. */
export const broadcastImageProcessingUpdate: Fanfare["broadcastImageProcessingUpdate"] = async (...call) =>
  own().broadcastImageProcessingUpdate(...call);

/** Tells a user what became of a PDF. */
export const broadcastPDFGenerationUpdate: Fanfare["broadcastPDFGenerationUpdate"] = async (...call) =>
  own().broadcastPDFGenerationUpdate(...call);

/** Tells who follows a queue what became of a transcription. */
export const broadcastTranscriptionUpdate: Fanfare["broadcastTranscriptionUpdate"] = async (...call) =>
  own().broadcastTranscriptionUpdate(...call);

/** Tells a user of the state of something. */
export const broadcastStatusUpdate: Fanfare["broadcastStatusUpdate"] = async (...call) =>
  own().broadcastStatusUpdate(...call);

/** Puts a notification into a user's inbox, and resolves with it when it is stored; delivery follows by itself. */
export const createNotification: Fanfare["createNotification"] = async (...call) =>
  own().createNotification(...call);

/** Puts notifications into many inboxes, as it is iterated, and tells of each what became of it. */
export const createNotifications = ((...call: Parameters<Fanfare["createNotifications"]>) =>
  own().createNotifications(...call)) as Fanfare["createNotifications"];

/** Puts a notification into the inbox of everyone who follows a topic. */
export const notifyTopic: Fanfare["notifyTopic"] = async (...call) => own().notifyTopic(...call);
