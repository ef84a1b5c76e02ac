// Text for screen readers only. The class is in base.css, since labels use it too.

import type { ReactNode } from "react";

/** Is read, not shown. */
export function VisuallyHidden({ children }: { children: ReactNode }) {
  return <span className="visually-hidden">{children}</span>;
}
