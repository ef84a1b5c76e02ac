// The product's name with its mark.

import styles from "./brand.module.css";

/** The name. Says nothing about where it leads: put it into a link for that. */
export function Brand() {
  return (
    <span className={styles.brand}>
      <svg
        className={styles.mark}
        viewBox="0 0 32 32"
        width="22"
        height="22"
        aria-hidden="true"
        focusable="false"
      >
        <rect width="32" height="32" rx="7" fill="var(--accent)" />
        <path
          d="M10 25V7h7.5a5.5 5.5 0 0 1 0 11H15"
          fill="none"
          stroke="var(--on-accent)"
          strokeWidth="3"
          strokeLinecap="round"
          strokeLinejoin="round"
        />
        <circle cx="22" cy="24.5" r="2.25" fill="var(--on-accent)" opacity="0.7" />
      </svg>
      <span>PayChain</span>
    </span>
  );
}
