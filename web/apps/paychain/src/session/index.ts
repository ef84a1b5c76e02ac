// What the app's other rooms may know of sign-ins.

export type { Role, User } from "./accounts";
export { type Entrance, type Session, useApi, useEntrance, useSession } from "./session";
