// The bell's and its panel's icons: 16 px, 1.5 px strokes, in the colour of the text beside them. All are decoration.

import type { ReactNode } from "react";

function Icon({ children }: { children: ReactNode }): ReactNode {
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

export const BellIcon = (): ReactNode => (
  <Icon>
    <path d="M3 11.5c1-1 1.25-2 1.25-4.5a3.75 3.75 0 0 1 7.5 0c0 2.5.25 3.5 1.25 4.5zM6.5 13.75h3" />
  </Icon>
);

/** A tick twice: all of them were read. */
export const AllReadIcon = (): ReactNode => (
  <Icon>
    <path d="m1.5 8.5 3 3L11 5M7.75 11.5 14.5 5" />
  </Icon>
);

export const ReadIcon = (): ReactNode => (
  <Icon>
    <path d="m3 8.5 3.25 3.25L13 4.75" />
  </Icon>
);

/** A full dot: as new. */
export const UnreadIcon = (): ReactNode => (
  <Icon>
    <circle cx="8" cy="8" r="3.25" fill="currentColor" />
  </Icon>
);

export const DeleteIcon = (): ReactNode => (
  <Icon>
    <path d="M2.75 4.25h10.5M6 4V2.75h4V4M4 4.25l.6 9h6.8l.6-9M6.75 7v3.5M9.25 7v3.5" />
  </Icon>
);

export const MoreIcon = (): ReactNode => (
  <Icon>
    <path d="M3.5 8h.01M8 8h.01M12.5 8h.01" strokeWidth="2" />
  </Icon>
);

/** Two sliders: preferences. */
export const SlidersIcon = (): ReactNode => (
  <Icon>
    <path d="M2 5h6.5M12.5 5H14M2 11h1.5M7.5 11H14" />
    <circle cx="10.5" cy="5" r="1.75" />
    <circle cx="5.5" cy="11" r="1.75" />
  </Icon>
);

export const CloseIcon = (): ReactNode => (
  <Icon>
    <path d="m4 4 8 8M12 4l-8 8" />
  </Icon>
);

export const BackIcon = (): ReactNode => (
  <Icon>
    <path d="M9.5 3.5 5 8l4.5 4.5" />
  </Icon>
);
