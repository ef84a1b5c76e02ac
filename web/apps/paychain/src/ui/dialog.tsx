// A dialog over the page. What it is made of is loaded when it is needed (dialog-panel.tsx), ahead of time if there is time.

import { type ReactNode, Suspense } from "react";
import { FailureBoundary, NotOpened } from "./failure";
import { part } from "./part";

/** Props of {@link Dialog}. */
export interface DialogProps {
  open: boolean;
  /** Called with false when it was closed by Escape, the cross, or a press outside. */
  onOpenChange: (open: boolean) => void;
  /** What it is for; its heading. */
  title: string;
  /** One or two sentences under the heading. */
  description?: ReactNode;
  children?: ReactNode;
  /** Buttons, the main one first in reading order and at the right edge; fills the width on a phone. */
  footer?: ReactNode;
  /** A press outside does not close it, so that what was typed is not lost. */
  keep?: boolean;
  /** Gets the focus in place of the first control. */
  onOpenAutoFocus?: (event: Event) => void;
}

const DialogPanel = part(() => import("./dialog-panel").then((panel) => panel.DialogPanel));

/** Loads what dialogs are made of, so that the first one opens at once. Call it when the page has nothing else to do. */
export const preloadDialog: () => void = DialogPanel.preload;

/**
 * A dialog. Where fields and buttons belong to one form, put the form around the children and give the button in the footer
 * `form="<id>"`.
 */
export function Dialog(props: DialogProps) {
  if (!props.open) return null;
  return (
    // Where it can't be loaded now it opens as soon as it can.
    <FailureBoundary fallback={<NotOpened />}>
      <Suspense>
        <DialogPanel {...props} />
      </Suspense>
    </FailureBoundary>
  );
}
