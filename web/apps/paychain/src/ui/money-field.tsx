// A field for an amount in US dollars. Keeps what was typed; `parseMoney` of money.ts says what it means.

import { parseMoney } from "./money";
import { TextField, type TextFieldProps } from "./text-field";

/**
 * A line for an amount, with a dollar sign. On leaving, a good amount is written out with its cents.
 * The value is text: give it to `parseMoney` before it is sent.
 */
export function MoneyField({ onBlur, ...props }: Omit<TextFieldProps, "type" | "before" | "inputMode">) {
  return (
    <TextField
      autoComplete="off"
      placeholder="0.00"
      maxLength={20}
      {...props}
      inputMode="decimal"
      before="$"
      onBlur={(event) => {
        const typed = parseMoney(props.value);
        if (typed.amount !== null) props.onChange(GROUPED.format(typed.amount));
        onBlur?.(event);
      }}
    />
  );
}

const GROUPED = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
