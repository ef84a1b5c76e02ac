// What the app's other rooms may know of live events.

export { useOwnActions } from "./own";
