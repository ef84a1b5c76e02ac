// What the package offers beside the custom elements. Nothing happens on import.

export { type AlertOptions, type Alerts, createAlerts, type Desktop } from "./alerts.js";
export { type DayGroup, type DayOptions, groupByDay } from "./days.js";
export { badge, formatExact, formatWhen } from "./format.js";
export { createInbox } from "./inbox.js";
export { type LiveClient, type LiveSocketIo, liveFromClient, liveFromSocketIo } from "./live.js";
export { type Texts, textsFor } from "./texts.js";
export type * from "./types.js";
