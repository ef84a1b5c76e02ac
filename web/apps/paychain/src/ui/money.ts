// Money as text and text as money. Amounts are US dollars with two decimals, as the API has them. No components here.

const FORMAT = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
const SIGNED = new Intl.NumberFormat("en-US", {
  style: "currency",
  currency: "USD",
  signDisplay: "exceptZero",
});

/** The least and the most that the services take, in US dollars. */
export const LEAST_AMOUNT = 0.01;
export const MOST_AMOUNT = 1_000_000_000;

/** `5000` as `$5,000.00`; below zero with a true minus, `−$20.00`. */
export function formatMoney(amount: number): string {
  return FORMAT.format(amount).replace("-", "−");
}

/** As {@link formatMoney}, with `+` where it is above zero. */
export function formatSignedMoney(amount: number): string {
  return SIGNED.format(amount).replace("-", "−");
}

/** What typed text says of an amount. */
export type TypedAmount =
  | { readonly amount: number; readonly fault: null }
  /** The fault is a sentence for the field. */
  | { readonly amount: null; readonly fault: string };

/**
 * Reads an amount as people type it: `250`, `250.5`, `1,250.00`, `$ 40`. Rejects what would have to be guessed at or
 * rounded: three decimals, letters, nothing, commas that do not stand between thousands.
 */
export function parseMoney(text: string): TypedAmount {
  const bare = text.trim().replace(/^\$\s*/, "");
  if (bare === "") return fault("Enter an amount, such as 250.00.");
  if (/^[-−]/.test(bare)) return fault("Enter an amount above zero.");
  if (!/^(\d+|\d{1,3}(,\d{3})+)?(\.\d*)?$/.test(bare) || !/\d/.test(bare)) {
    return fault("Enter the amount as a number, such as 1,250.00.");
  }
  const number = bare.replaceAll(",", "");
  if (/\.\d{3}/.test(number)) return fault("Use at most two decimals: there is nothing smaller than a cent.");
  const amount = Number(number);
  if (amount < LEAST_AMOUNT) return fault("Enter at least $0.01.");
  if (amount > MOST_AMOUNT) return fault(`Enter at most ${formatMoney(MOST_AMOUNT)}.`);
  return { amount, fault: null };
}

function fault(sentence: string): TypedAmount {
  return { amount: null, fault: sentence };
}
