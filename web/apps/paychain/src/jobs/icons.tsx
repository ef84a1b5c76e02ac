// Icons that only the jobs need, drawn as those of ui/icons.tsx: 16 px, 1.5 px strokes.

/** An arrow upwards: there is something new above. */
export const ArrowUpIcon = () => (
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
    <path d="M8 13V3.5M4 7l4-4 4 4" />
  </svg>
);
