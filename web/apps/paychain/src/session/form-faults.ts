// From an error of register or login to what the form shows: a message at a field, or a panel above the button.

import { ApiProblem } from "../api/problem";
import { fieldFaults } from "../api/words";

/** What a form shows. */
export interface FormFaults<Field extends string> {
  /** Sentences by field. */
  readonly fields: Partial<Record<Field, string>>;
  /** What is of no field, for the panel; null where the fields say it all. */
  readonly panel: unknown;
}

/** Nothing is wrong. */
export const NO_FAULTS = { fields: {}, panel: null } as const;

/**
 * Sorts an error out. A 422 goes to its fields; a member that the form has no field for (or none at all) makes it a panel.
 */
export function formFaults<Field extends string>(
  error: unknown,
  fields: readonly Field[],
): FormFaults<Field> {
  if (!(error instanceof ApiProblem) || error.status !== 422) return { fields: {}, panel: error };
  const told = fieldFaults(error);
  const known: Partial<Record<Field, string>> = {};
  for (const field of fields) {
    const sentence = told[field];
    if (sentence !== undefined) known[field] = sentence;
  }
  const all = Object.keys(told).length > 0 && Object.keys(told).every((member) => member in known);
  return { fields: known, panel: all ? null : error };
}

/** What is wrong before anything is sent: the fields whose rule gave a sentence. */
export function ownFaults<Field extends string>(
  faults: Record<Field, string | null>,
): Partial<Record<Field, string>> {
  const wrong: Partial<Record<Field, string>> = {};
  for (const field of Object.keys(faults) as Field[]) {
    const sentence = faults[field];
    if (sentence !== null) wrong[field] = sentence;
  }
  return wrong;
}
