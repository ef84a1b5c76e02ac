// What the package offers. Nothing happens on import.

export { RequestError, type RequestFailure } from "./answers.js";
export { platformEnvironment } from "./browser.js";
export { createClient } from "./client.js";
export { socketTransport } from "./transport.js";
export type * from "./types.js";
