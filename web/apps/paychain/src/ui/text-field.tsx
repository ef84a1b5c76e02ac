// Fields for text: one line, several lines, a password. Values are what was typed, unchanged.

import type { InputHTMLAttributes, ReactNode, Ref, TextareaHTMLAttributes } from "react";
import { useState } from "react";
import { Field, type FieldProps } from "./field";
import styles from "./field.module.css";

type Native<Attributes> = Omit<
  Attributes,
  "value" | "defaultValue" | "onChange" | "className" | "id" | "aria-describedby"
>;

/** Props of {@link TextField}: those of an `input`, and these. */
export interface TextFieldProps extends FieldProps, Native<InputHTMLAttributes<HTMLInputElement>> {
  value: string;
  onChange: (value: string) => void;
  /** Stands in the field, at its start: a sign of at most one character. */
  before?: ReactNode;
  /** Stands in the field, at its end: a small button. */
  after?: ReactNode;
  ref?: Ref<HTMLInputElement>;
}

/** A line of text. */
export function TextField(props: TextFieldProps) {
  const { label, hint, error, optional, hideLabel, value, onChange, before, after, ...input } = props;
  return (
    <Field label={label} hint={hint} error={error} optional={optional} hideLabel={hideLabel}>
      {({ className, ...control }) => {
        const look = [className, before && styles.hasBefore, after && styles.hasAfter]
          .filter(Boolean)
          .join(" ");
        const field = (
          <input
            type="text"
            {...input}
            {...control}
            className={look}
            value={value}
            onChange={(event) => onChange(event.currentTarget.value)}
          />
        );
        if (!before && !after) return field;
        return (
          <div className={styles.wrap}>
            {field}
            {before && (
              <span className={styles.before} aria-hidden="true">
                {before}
              </span>
            )}
            {after && <span className={styles.after}>{after}</span>}
          </div>
        );
      }}
    </Field>
  );
}

/** A password, which can be shown while it is typed. */
export function PasswordField(props: Omit<TextFieldProps, "type" | "after" | "before">) {
  const [shown, setShown] = useState(false);
  return (
    <TextField
      spellCheck={false}
      autoCapitalize="none"
      {...props}
      type={shown ? "text" : "password"}
      after={
        <button
          type="button"
          className={styles.reveal}
          aria-pressed={shown}
          aria-label={shown ? "Hide password" : "Show password"}
          onClick={() => setShown(!shown)}
        >
          {shown ? "Hide" : "Show"}
        </button>
      }
    />
  );
}

/** Props of {@link TextArea}: those of a `textarea`, and these. */
export interface TextAreaProps extends FieldProps, Native<TextareaHTMLAttributes<HTMLTextAreaElement>> {
  value: string;
  onChange: (value: string) => void;
  ref?: Ref<HTMLTextAreaElement>;
}

/** Several lines of text; grows with them. */
export function TextArea(props: TextAreaProps) {
  const { label, hint, error, optional, hideLabel, value, onChange, ...area } = props;
  return (
    <Field label={label} hint={hint} error={error} optional={optional} hideLabel={hideLabel}>
      {({ className, ...control }) => (
        <textarea
          rows={4}
          {...area}
          {...control}
          className={`${className} ${styles.area}`}
          value={value}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}
