// The app's icons: 16 px, 1.5 px strokes, in the colour of the text beside them. All are decoration: the words are beside
// them, or on the button that holds them.

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

/** A case with a handle: jobs. */
export const JobsIcon = () => (
  <Icon>
    <rect x="1.75" y="4.75" width="12.5" height="8.5" rx="1.5" />
    <path d="M5.75 4.5v-1a1 1 0 0 1 1-1h2.5a1 1 0 0 1 1 1v1M1.75 8.75h12.5" />
  </Icon>
);

/** A wallet with its clasp. */
export const WalletIcon = () => (
  <Icon>
    <path d="M12.25 5V3.75a1 1 0 0 0-1.2-.98L2.95 4.3a1.5 1.5 0 0 0-1.2 1.47v6.48a1 1 0 0 0 1 1h10.5a1 1 0 0 0 1-1V6a1 1 0 0 0-1-1H2.5" />
    <path d="M11 9.25h.01" strokeWidth="2" />
  </Icon>
);

/** A speech bubble: messages. */
export const MessagesIcon = () => (
  <Icon>
    <path d="M2 4a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v6.5a1 1 0 0 1-1 1H7l-3 2.5v-2.5H3a1 1 0 0 1-1-1z" />
  </Icon>
);

/** A bell: notifications. */
export const BellIcon = () => (
  <Icon>
    <path d="M3 11.5c1-1 1.25-2 1.25-4.5a3.75 3.75 0 0 1 7.5 0c0 2.5.25 3.5 1.25 4.5zM6.5 13.75h3" />
  </Icon>
);

/** A plus: make something new. */
export const PlusIcon = () => (
  <Icon>
    <path d="M8 3v10M3 8h10" />
  </Icon>
);

/** A tick: done. */
export const CheckIcon = () => (
  <Icon>
    <path d="m3 8.5 3.25 3.25L13 4.75" />
  </Icon>
);

/** A cross: close. */
export const CloseIcon = () => (
  <Icon>
    <path d="m4 4 8 8M12 4l-8 8" />
  </Icon>
);

/** An exclamation mark in a ring: something is wrong. */
export const AlertIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="6.25" />
    <path d="M8 5v3.5" />
    <path d="M8 11h.01" strokeWidth="1.75" />
  </Icon>
);

/** A lock: money that is held. */
export const HeldIcon = () => (
  <Icon>
    <rect x="3" y="7" width="10" height="6.5" rx="1.25" />
    <path d="M5.25 7V5a2.75 2.75 0 0 1 5.5 0v2" />
  </Icon>
);

/** An arrow onto a line: money that came in. */
export const InIcon = () => (
  <Icon>
    <path d="M8 2.5v7.25M4.75 6.75 8 10l3.25-3.25M3 13.5h10" />
  </Icon>
);

/** An arrow away from a line: money that went out. */
export const OutIcon = () => (
  <Icon>
    <path d="M8 10V2.75M4.75 6 8 2.75 11.25 6M3 13.5h10" />
  </Icon>
);

/** An arrow that turns round: money that came back. */
export const ReturnIcon = () => (
  <Icon>
    <path d="M5.5 3 2.5 6l3 3" />
    <path d="M2.75 6h6.5a3.75 3.75 0 0 1 0 7.5H6" />
  </Icon>
);

/** Head and shoulders: a person. */
export const PersonIcon = () => (
  <Icon>
    <circle cx="8" cy="5" r="2.75" />
    <path d="M2.75 13.75a5.25 5.25 0 0 1 10.5 0" />
  </Icon>
);

/** A corner downwards: opens a choice. */
export const ChevronIcon = () => (
  <Icon>
    <path d="m4.5 6.25 3.5 3.5 3.5-3.5" />
  </Icon>
);

/** An arrow to the left: back. */
export const BackIcon = () => (
  <Icon>
    <path d="M13 8H3.25M7 4 3 8l4 4" />
  </Icon>
);

/** An arrow in a circle: again. */
export const RetryIcon = () => (
  <Icon>
    <path d="M13.25 8A5.25 5.25 0 1 1 11.5 4.1L13.25 5.5" />
    <path d="M13.25 2.5v3h-3" />
  </Icon>
);

/** A door with an arrow out of it: sign out. */
export const SignOutIcon = () => (
  <Icon>
    <path d="M6.5 2.5h-3a1 1 0 0 0-1 1v9a1 1 0 0 0 1 1h3M6.75 8h7M11 5l3 3-3 3" />
  </Icon>
);

/** A pencil: change. */
export const EditIcon = () => (
  <Icon>
    <path d="m10.75 3.25 2 2L5.5 12.5l-2.75.75.75-2.75z" />
  </Icon>
);
