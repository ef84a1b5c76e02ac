// An amount of money on the page. How it is written is in money.ts.

import styles from "./amount.module.css";
import { formatMoney, formatSignedMoney } from "./money";

/** Props of {@link Money}. */
export interface MoneyProps {
  /** US dollars. */
  amount: number;
  /** With `+` where it is above zero: for changes of a balance. */
  signed?: boolean;
}

/** An amount, in figures that are all equally wide. */
export function Money({ amount, signed }: MoneyProps) {
  return <span className={styles.money}>{signed ? formatSignedMoney(amount) : formatMoney(amount)}</span>;
}
