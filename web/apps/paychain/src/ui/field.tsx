// What all form fields share: the label, the rule told before, the message after, and how they are tied together for
// screen readers. The controls are in text-field.tsx, money-field.tsx and select.tsx.

import { type ReactNode, useId } from "react";
import styles from "./field.module.css";
import { AlertIcon } from "./icons";

/** What every field takes. */
export interface FieldProps {
  label: string;
  /** The rule, told before anything is wrong. */
  hint?: ReactNode;
  /** What is wrong, and how it would be right. Takes the place of the hint. */
  error?: ReactNode;
  /** Says "(optional)" beside the label. */
  optional?: boolean | undefined;
  /** The label is for screen readers only. */
  hideLabel?: boolean | undefined;
}

/** What a control must carry. */
export interface ControlProps {
  id: string;
  className: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
}

/** Lays out a field. `children` makes the control with the attributes that tie it to its label and message. */
export function Field({
  label,
  hint,
  error,
  optional,
  hideLabel,
  children,
}: FieldProps & { children: (control: ControlProps) => ReactNode }) {
  const id = useId();
  const note = `${id}-note`;
  const hasNote = Boolean(error) || (hint !== undefined && hint !== null);
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={hideLabel ? "visually-hidden" : styles.label}>
        {label}
        {optional && <span className={styles.optional}> (optional)</span>}
      </label>
      {children({
        id,
        className: styles.control ?? "",
        "aria-describedby": hasNote ? note : undefined,
        "aria-invalid": error ? true : undefined,
      })}
      {hasNote && (
        <p id={note} className={error ? styles.error : styles.hint}>
          {error ? (
            <>
              <AlertIcon /> <span>{error}</span>
            </>
          ) : (
            hint
          )}
        </p>
      )}
    </div>
  );
}

/**
 * Puts the focus on the first field of a form that is wrong. Call it after the messages are on the page.
 * Returns whether there was one.
 */
export function focusFirstError(form: HTMLElement | null): boolean {
  const field = form?.querySelector<HTMLElement>("[aria-invalid=true]");
  field?.focus();
  return field !== null && field !== undefined;
}
