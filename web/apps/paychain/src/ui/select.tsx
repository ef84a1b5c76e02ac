// A choice of one from a few. The platform's own control: it works with every keyboard, screen reader and thumb.

import type { Ref, SelectHTMLAttributes } from "react";
import { Field, type FieldProps } from "./field";
import styles from "./field.module.css";
import { ChevronIcon } from "./icons";

/** One of the choices. */
export interface Option<Value extends string> {
  readonly value: Value;
  readonly label: string;
}

/** Props of {@link Select}: those of a `select`, and these. */
export interface SelectProps<Value extends string>
  extends FieldProps,
    Omit<SelectHTMLAttributes<HTMLSelectElement>, "value" | "onChange" | "className" | "id" | "children"> {
  value: Value;
  options: readonly Option<Value>[];
  onChange: (value: Value) => void;
  ref?: Ref<HTMLSelectElement>;
}

/** A choice of one of `options`. */
export function Select<Value extends string>(props: SelectProps<Value>) {
  const { label, hint, error, optional, hideLabel, value, options, onChange, ...select } = props;
  return (
    <Field label={label} hint={hint} error={error} optional={optional} hideLabel={hideLabel}>
      {({ className, ...control }) => (
        <div className={styles.wrap}>
          <select
            {...select}
            {...control}
            className={`${className} ${styles.select}`}
            value={value}
            onChange={(event) => {
              const chosen = options.find((option) => option.value === event.currentTarget.value);
              if (chosen) onChange(chosen.value);
            }}
          >
            {options.map((option) => (
              <option key={option.value} value={option.value}>
                {option.label}
              </option>
            ))}
          </select>
          <span className={styles.chevron} aria-hidden="true">
            <ChevronIcon />
          </span>
        </div>
      )}
    </Field>
  );
}
