// Icons that only chat needs, drawn as those of ui/icons.tsx: 16 px, 1.5 px strokes.

import type { ReactNode } from "react";

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg
      width="16"
      height="16"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

/** Two ticks: read. */
export const DoubleCheckIcon = () => (
  <Icon>
    <path d="m1 8.5 3 3 5.5-6.5M8.5 10.5l1 1 5.5-6.5" />
  </Icon>
);

/** A clock: on its way. */
export const ClockIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="5.25" />
    <path d="M8 5.25V8l1.75 1.25" />
  </Icon>
);

/** Three dots: more. */
export const MoreIcon = () => (
  <Icon>
    <path d="M3.5 8h.01M8 8h.01M12.5 8h.01" strokeWidth="2" />
  </Icon>
);
