// What the package offers. Nothing happens on import.

export { platformEnvironment } from "./browser.js";
export { createClient } from "./client.js";
export { socketTransport } from "./transport.js";
export type * from "./types.js";
