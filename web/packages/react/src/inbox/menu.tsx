// The menu of a notification, for fingers and for the keyboard: arrows, Home and End walk it, Escape and Tab close it. What its
// items do is the list's part.

import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { MoreIcon } from "./icons.js";

/** Something to do. */
export interface RowAction {
  readonly name: "read" | "unread" | "remove";
  readonly label: string;
  readonly icon: ReactNode;
}

/** Below this height between button and the list's end the menu opens upwards, pixels: two items of 40 and its edges. */
const ROOM = 96;

/** The button with its menu. `label` names what it is about. */
export function RowMenu({
  label,
  tabIndex,
  actions,
  onAction,
}: {
  label: string;
  tabIndex: 0 | -1;
  actions: readonly RowAction[];
  onAction: (name: RowAction["name"]) => void;
}): ReactNode {
  const [side, setSide] = useState<"top" | "bottom" | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const id = useId();

  useEffect(() => {
    if (side !== null) menu.current?.querySelector("button")?.focus({ preventScroll: true });
  }, [side]);

  const open = () => {
    const scroll = button.current?.closest("[data-scroll]")?.getBoundingClientRect().bottom ?? Infinity;
    const bottom = button.current?.getBoundingClientRect().bottom ?? 0;
    setSide(scroll - bottom < ROOM ? "top" : "bottom");
  };
  const close = () => {
    setSide(null);
    button.current?.focus({ preventScroll: true });
  };

  const walk = (event: KeyboardEvent) => {
    const items = [...(menu.current?.querySelectorAll("button") ?? [])];
    const at = items.indexOf(event.target as HTMLButtonElement);
    const to = {
      ArrowDown: (at + 1) % items.length,
      ArrowUp: (at + items.length - 1) % items.length,
      Home: 0,
      End: items.length - 1,
    }[event.key];
    if (event.key === "Escape") close();
    else if (event.key === "Tab") return setSide(null);
    else if (to !== undefined) items[to]?.focus();
    else return;
    event.preventDefault();
    // Neither the list nor the panel hears what was meant for the menu.
    event.stopPropagation();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        className="fanfare-inbox-icon fanfare-inbox-more"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={side !== null}
        {...(side === null ? {} : { "aria-controls": id })}
        tabIndex={tabIndex}
        onClick={() => (side === null ? open() : close())}
      >
        <MoreIcon />
      </button>
      {side !== null && (
        <div
          ref={menu}
          id={id}
          role="menu"
          aria-label={label}
          tabIndex={-1}
          className="fanfare-inbox-menu"
          data-side={side}
          onKeyDown={walk}
          onBlur={(event) => {
            const to = event.relatedTarget;
            if (!event.currentTarget.contains(to) && to !== button.current) setSide(null);
          }}
        >
          {actions.map((action) => (
            <button
              key={action.name}
              type="button"
              role="menuitem"
              tabIndex={-1}
              className="fanfare-inbox-item"
              onClick={() => {
                close();
                onAction(action.name);
              }}
            >
              {action.icon}
              {action.label}
            </button>
          ))}
        </div>
      )}
    </>
  );
}
