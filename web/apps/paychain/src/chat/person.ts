// Whom one talks to: ids, and what somebody is called of whom nothing else is known.

import type { Role } from "../session";

/** A user's id as the services compare it: the number 7 and the text "7" are one user. */
export type PersonId = number | string;

/** Whether both are one user. */
export function isSame(one: PersonId, other: PersonId): boolean {
  return String(one) === String(other);
}

/** `Worker #9` for an employer, `Employer #7` for a worker: the two sides of a job talk. */
export function personName(id: PersonId, viewer: { readonly user_type: Role }): string {
  return `${viewer.user_type === "employer" ? "Worker" : "Employer"} #${id}`;
}
