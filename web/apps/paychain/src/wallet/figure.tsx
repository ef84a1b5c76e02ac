// A large amount that counts to its new value when it changes. All its figures are equally wide, and it stands at the left
// edge of its own column, so nothing else moves.

import { type ReactNode, useEffect, useRef, useState } from "react";
import { formatMoney, useMediaQuery, VisuallyHidden } from "../ui";
import styles from "./figure.module.css";

/** How long it counts, in milliseconds. */
const COUNT = 450;

/** An amount with its name and what it means. `amount` null: not known yet. */
export function Figure({
  name,
  amount,
  icon,
  children,
}: {
  name: string;
  amount: number | null;
  icon?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <div className={styles.figure}>
      <dt className={styles.name}>
        {icon}
        {name}
      </dt>
      <dd className={styles.body}>
        {amount === null ? <span className={styles.unknown} /> : <Counting amount={amount} />}
        {children && <span className={styles.note}>{children}</span>}
      </dd>
    </div>
  );
}

function Counting({ amount }: { amount: number }) {
  const still = useMediaQuery("(prefers-reduced-motion: reduce)");
  const [shown, setShown] = useState(amount);
  const from = useRef(amount);
  useEffect(() => {
    const start = from.current;
    if (start === amount) return;
    if (still || document.hidden) {
      from.current = amount;
      setShown(amount);
      return;
    }
    const began = performance.now();
    let frame = requestAnimationFrame(function count(time) {
      const part = Math.min(1, Math.max(0, (time - began) / COUNT));
      const eased = 1 - (1 - part) ** 3;
      from.current = part === 1 ? amount : Math.round((start + (amount - start) * eased) * 100) / 100;
      setShown(from.current);
      if (part < 1) frame = requestAnimationFrame(count);
    });
    return () => cancelAnimationFrame(frame);
  }, [amount, still]);
  const [dollars, cents] = formatMoney(shown).split(".");
  return (
    <span className={styles.amount} data-amount={amount.toFixed(2)}>
      <span aria-hidden="true">
        {dollars}
        <span className={styles.cents}>.{cents}</span>
      </span>
      <VisuallyHidden>{formatMoney(amount)}</VisuallyHidden>
    </span>
  );
}
