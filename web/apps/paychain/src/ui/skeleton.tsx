// Grey bars in the shape of what is being loaded. They show after a moment only, so that a quick answer does not flash.

import styles from "./states.module.css";

/** One bar. Sizes are CSS lengths; a number is pixels. */
export function Skeleton({
  width = "100%",
  height = 14,
}: {
  width?: number | string;
  height?: number | string;
}) {
  return <span className={styles.bar} style={{ width, height }} aria-hidden="true" />;
}

/** Says to screen readers that something is loading; put the bars inside. */
export function Loading({ label = "Loading", children }: { label?: string; children?: React.ReactNode }) {
  return (
    <div role="status" aria-label={label} className={styles.loading}>
      {children}
    </div>
  );
}
