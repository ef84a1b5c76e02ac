// A button, and a link that looks like one. What it does is its caller's; menus have their own items.

import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { Link, type LinkProps } from "react-router";
import styles from "./button.module.css";

/**
 * - `primary`: the one main action of a view;
 * - `secondary` (default): any other;
 * - `quiet`: no border until it is pointed at, for rows and bars;
 * - `danger`: takes something away that does not come back.
 */
export type ButtonLook = "primary" | "secondary" | "quiet" | "danger";

interface Common {
  look?: ButtonLook | undefined;
  /** 16 px, before the words. */
  icon?: ReactNode;
  /** As wide as what it stands in. */
  wide?: boolean | undefined;
  children?: ReactNode;
}

/** Props of {@link Button}: those of a `button`, and these. */
export interface ButtonProps extends Common, ButtonHTMLAttributes<HTMLButtonElement> {
  /** It was pressed and its answer is awaited: shown, told to screen readers, and pressing it again does nothing. */
  pending?: boolean | undefined;
  ref?: Ref<HTMLButtonElement>;
}

/** A button. Its type is `button` unless told otherwise, so that it never sends a form by accident. */
export function Button({ look, icon, wide, pending, children, className, onClick, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={classes(look, wide, className)}
      // Not `disabled`: the focus would be lost while it waits.
      aria-disabled={pending || rest["aria-disabled"] || undefined}
      aria-busy={pending || undefined}
      data-pending={pending || undefined}
      onClick={(event) => {
        if (pending) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {pending ? <span className={styles.spinner} aria-hidden="true" /> : icon}
      {children !== undefined && <span className={styles.words}>{children}</span>}
    </button>
  );
}

/** A link within the app that looks like a button. */
export function ButtonLink({ look, icon, wide, children, className, ...rest }: Common & LinkProps) {
  return (
    <Link {...rest} className={classes(look, wide, className)}>
      {icon}
      <span className={styles.words}>{children}</span>
    </Link>
  );
}

/** Props of {@link IconButton}. */
export interface IconButtonProps extends Omit<ButtonProps, "icon" | "children" | "wide"> {
  /** What it does; read to screen readers and shown on hover. */
  label: string;
  icon: ReactNode;
}

/** A square button that is only an icon. */
export function IconButton({ label, look = "quiet", className, ...rest }: IconButtonProps) {
  return (
    <Button
      {...rest}
      look={look}
      aria-label={label}
      title={label}
      className={[styles.square, className].filter(Boolean).join(" ")}
    />
  );
}

function classes(look: ButtonLook = "secondary", wide?: boolean, own?: string): string {
  return [styles.button, styles[look], wide && styles.wide, own].filter(Boolean).join(" ");
}
