// The bell with its number, and what it does: opens the panel (panel.tsx), closes it, and says to screen readers what comes in. A
// notification renders the number while the panel is closed, and nothing else.

import { type AlertOptions, badge, createAlerts, type Notification } from "@fanfare/inbox";
import {
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useId,
  useInsertionEffect,
  useRef,
  useState,
} from "react";
import { BellIcon } from "./icons.js";
import { Panel } from "./panel.js";
import { useInbox, useInboxStore } from "./provider.js";
import { useWords, type Words } from "./words.js";

/** What an inbox gets. */
export interface InboxProps {
  /** Where a notification leads; undefined for one that opens in place. Default: none leads anywhere. */
  readonly hrefOf?: (notification: Notification) => string | undefined;
  /** One was opened, by its link or in place. It is marked as read by then. */
  readonly onOpen?: (notification: Notification) => void;
  /** Shows the preferences elsewhere. Default: in the panel. */
  readonly onPreferences?: () => void;
  /** Whether screen readers are told of one that comes in. Default: of each. `false`: of none. */
  readonly announce?: ((notification: Notification) => boolean) | false;
  /**
   * The sound and the notifications of the desktop, as the user wants them; `false`: none. Default: the hub's own sound, and a
   * click on a notification of the desktop leads where `hrefOf` says.
   */
  readonly alerts?: AlertOptions | false;
  /** Called when the panel opens and closes. */
  readonly onOpenChange?: (isOpen: boolean) => void;
  /** Whether the panel is open at first. Default: no. */
  readonly defaultOpen?: boolean;
  /** Which edge of the bell the panel begins at. Default: `end`, for a bell at the right side of a page. */
  readonly align?: "start" | "end";
  /** `en`, `de`, …: of the words, and how times are written. Default: the page's language. */
  readonly locale?: string;
  /** Words that replace those of the locale, one by one. Give the same object each time: another renders all that has words. */
  readonly words?: Partial<Words>;
  /** Further class names of the outer element. */
  readonly className?: string;
}

const NOWHERE = (): undefined => undefined;

/**
 * A bell with the number of unread notifications, and the panel that it opens: by day, by category, with read, unread, delete and
 * undo. Stands below an `InboxProvider`. Import `@fanfare/react/inbox.css` for its looks.
 *
 * By keyboard: arrows, Home and End walk the list, Enter opens, Delete deletes, Escape closes.
 */
export function Inbox(props: InboxProps): ReactNode {
  const { hrefOf = NOWHERE, onOpen, onPreferences, announce, align = "end", className } = props;
  useAlerts(props);
  const words = useWords(props.locale, props.words);
  const [isOpen, setOpen] = useState(props.defaultOpen ?? false);
  const outer = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const panel = useId();

  useEffect(() => {
    if (!isOpen) return;
    const outside = (event: PointerEvent) => {
      const target = event.target instanceof Element ? event.target : null;
      // Pressing a toast is no going elsewhere.
      if (outer.current?.contains(target) || target?.closest(".fanfare-toasts")) return;
      setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [isOpen]);

  const latest = useRef(props.onOpenChange);
  useInsertionEffect(() => {
    latest.current = props.onOpenChange;
  });
  useEffect(() => {
    if (!isOpen) return;
    latest.current?.(true);
    // Also when the bell goes with its panel open.
    return () => latest.current?.(false);
  }, [isOpen]);

  const close = () => {
    button.current?.focus({ preventScroll: true });
    setOpen(false);
  };
  const key = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !isOpen) return;
    event.preventDefault();
    event.stopPropagation();
    close();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it hears Escape from what is in it.
    <div
      ref={outer}
      className={className === undefined ? "fanfare-bell" : `fanfare-bell ${className}`}
      onKeyDown={key}
      onBlur={(event) => {
        const to = event.relatedTarget;
        if (isOpen && to !== null && !event.currentTarget.contains(to) && !to.closest(".fanfare-toasts"))
          setOpen(false);
      }}
    >
      <button
        ref={button}
        type="button"
        className="fanfare-inbox-icon fanfare-bell-button"
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        {...(isOpen ? { "aria-controls": panel } : {})}
        onClick={() => (isOpen ? close() : setOpen(true))}
      >
        <BellIcon />
        <Badge words={words} />
      </button>
      {announce !== false && <Said words={words} announce={announce} />}
      {isOpen && (
        <Panel
          id={panel}
          words={words}
          align={align}
          hrefOf={hrefOf}
          onOpen={onOpen}
          onPreferences={
            onPreferences &&
            (() => {
              close();
              onPreferences();
            })
          }
          close={close}
        />
      )}
    </div>
  );
}

/** Sound and desktop, while the bell is there. */
function useAlerts(props: InboxProps): void {
  const inbox = useInboxStore();
  const latest = useRef(props);
  useInsertionEffect(() => {
    latest.current = props;
  });
  const isOff = props.alerts === false;
  useEffect(() => {
    if (isOff) return;
    const { alerts } = latest.current;
    const followed = (notification: Notification) => {
      const { hrefOf, onOpen } = latest.current;
      void inbox.markRead(notification.id);
      onOpen?.(notification);
      const href = hrefOf?.(notification);
      if (href !== undefined) location.assign(href);
    };
    return createAlerts(inbox, { onOpen: followed, ...(alerts || {}) }).start();
  }, [inbox, isOff]);
}

/** The number, and the button's name with it. */
function Badge({ words }: { words: Words }): ReactNode {
  const count = useInbox(({ unreadCount }) => unreadCount ?? 0);
  return (
    <>
      <span className="fanfare-inbox-hidden">{words.unread(count)}</span>
      {count > 0 && (
        <span className="fanfare-bell-badge" aria-hidden="true">
          {badge(count)}
        </span>
      )}
    </>
  );
}

/** What came in last, for screen readers. */
function Said(props: { words: Words; announce: Exclude<InboxProps["announce"], false> }): ReactNode {
  const { words, announce } = props;
  const inbox = useInboxStore();
  const [last, setLast] = useState<Notification | null>(null);
  const asks = useRef(announce);
  useInsertionEffect(() => {
    asks.current = announce;
  });
  useEffect(
    () =>
      inbox.onArrival(({ notification }) => {
        if (asks.current?.(notification) !== false) setLast(notification);
      }),
    [inbox],
  );
  // Not by `aria-live`: what hides a page behind a dialog spares what has it, and all around it.
  return (
    <span role="log" className="fanfare-inbox-hidden">
      {last !== null && words.arrived(last.title)}
    </span>
  );
}
