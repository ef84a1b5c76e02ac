// An open dialog: takes the focus, gives it back, closes with Escape. On a phone it rises from the bottom edge.
// Loaded when the first dialog opens (dialog.tsx), so that the first page does not wait for it.

import { Dialog as Radix } from "radix-ui";
import { useState } from "react";
import { IconButton } from "./button";
import type { DialogProps } from "./dialog";
import styles from "./dialog-panel.module.css";
import { CloseIcon } from "./icons";

/** The dialog; its props are described in dialog.tsx. */
export function DialogPanel(props: DialogProps) {
  const { onOpenChange, title, description, children, footer, keep, onOpenAutoFocus } = props;
  const [opener] = useState(findOpener);
  return (
    <Radix.Root open onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={styles.shade} />
        <Radix.Content
          className={styles.dialog}
          {...(description ? {} : { "aria-describedby": undefined })}
          {...(onOpenAutoFocus ? { onOpenAutoFocus } : {})}
          onCloseAutoFocus={(event) => {
            if (!opener?.isConnected) return;
            event.preventDefault();
            opener.focus();
          }}
          onInteractOutside={(event) => {
            // Toasts lie outside, and pressing one must not close this.
            const target = event.target instanceof Element ? event.target : null;
            if (keep || target?.closest("[data-sonner-toaster]")) event.preventDefault();
          }}
        >
          <header className={styles.head}>
            <Radix.Title className={styles.title}>{title}</Radix.Title>
            {description && (
              <Radix.Description className={styles.description}>{description}</Radix.Description>
            )}
          </header>
          {children !== undefined && <div className={styles.body}>{children}</div>}
          {footer && <footer className={styles.foot}>{footer}</footer>}
          <Radix.Close asChild>
            <IconButton className={styles.close} label="Close" icon={<CloseIcon />} />
          </Radix.Close>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** What gets the focus back: what has it now, or for an item of a menu, which is about to go, the menu's button. */
function findOpener(): HTMLElement | null {
  const active = document.activeElement;
  const menu = active?.closest("[role=menu]");
  const opener = menu ? document.getElementById(menu.getAttribute("aria-labelledby") ?? "") : active;
  return opener instanceof HTMLElement && opener !== document.body ? opener : null;
}
