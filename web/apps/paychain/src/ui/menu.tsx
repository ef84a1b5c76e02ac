// A menu that a button opens: actions, and choices of one. Arrow keys, type-ahead and Escape are Radix's.

import { DropdownMenu as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { CheckIcon } from "./icons";
import styles from "./menu.module.css";

/** Props of {@link Menu}. */
export interface MenuProps {
  /** The button that opens it. It must pass its props and its ref on, as `Button` does. */
  trigger: ReactNode;
  children: ReactNode;
  /** Which edges of button and menu meet. Default: `end`. */
  align?: "start" | "end";
}

/** A menu. */
export function Menu({ trigger, children, align = "end" }: MenuProps) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      {/* Beside its button, not at the end of the page: there it would be outside of every landmark. */}
      <Radix.Content className={styles.menu} align={align} sideOffset={6} collisionPadding={8} loop>
        {children}
      </Radix.Content>
    </Radix.Root>
  );
}

/** Props of {@link MenuItem}. */
export interface MenuItemProps {
  children: ReactNode;
  onSelect: () => void;
  icon?: ReactNode;
  disabled?: boolean;
  /** It takes something away. */
  danger?: boolean;
}

/** Something to do. The menu closes behind it. */
export function MenuItem({ children, onSelect, icon, disabled, danger }: MenuItemProps) {
  return (
    <Radix.Item
      className={danger ? `${styles.item} ${styles.danger}` : styles.item}
      disabled={disabled ?? false}
      onSelect={onSelect}
    >
      <span className={styles.icon}>{icon}</span>
      <span className={styles.words}>{children}</span>
    </Radix.Item>
  );
}

/** A heading within a menu, or a few lines that only tell something. */
export function MenuLabel({ children }: { children: ReactNode }) {
  return <Radix.Label className={styles.label}>{children}</Radix.Label>;
}

/** A hairline. */
export function MenuSeparator() {
  return <Radix.Separator className={styles.line} />;
}

/** A choice of one. */
export function MenuChoice<Value extends string>(props: {
  /** What is chosen; its heading. */
  label: string;
  value: Value;
  options: readonly { readonly value: Value; readonly label: string }[];
  onChange: (value: Value) => void;
}) {
  const { label, value, options, onChange } = props;
  return (
    <Radix.RadioGroup
      value={value}
      aria-label={label}
      onValueChange={(chosen) => {
        const option = options.find((candidate) => candidate.value === chosen);
        if (option) onChange(option.value);
      }}
    >
      <Radix.Label className={styles.label}>{label}</Radix.Label>
      {options.map((option) => (
        <Radix.RadioItem
          key={option.value}
          value={option.value}
          className={styles.item}
          // The menu stays, so that the effect is seen.
          onSelect={(event) => event.preventDefault()}
        >
          <span className={styles.icon}>
            <Radix.ItemIndicator>
              <CheckIcon />
            </Radix.ItemIndicator>
          </span>
          <span className={styles.words}>{option.label}</span>
        </Radix.RadioItem>
      ))}
    </Radix.RadioGroup>
  );
}
