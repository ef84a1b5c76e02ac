// Toasts for events, on sonner: it draws, stacks and swipes; stack.ts decides what is there, and this file joins the two with
// pointer, keyboard and page. An event renders sonner's list at most, never the app.

import type { FanfareEvent } from "@fanfare/client";
import { type ReactNode, useEffect, useId, useInsertionEffect, useRef } from "react";
import { toast as show, Toaster, type ToasterProps } from "sonner";
import { useFanfare } from "../provider.js";
import { watchAttention } from "./attention.js";
import { type Describe, describeEvent, type Viewer } from "./catalogue.js";
import type { OwnActions } from "./own-actions.js";
import { createStack, MOST_TOASTS, type ToastText } from "./stack.js";

/** The words around the toasts; the toasts' own come from `describe`. */
export interface ToastLabels {
  /** The name of the list for screen readers. */
  readonly region: string;
  /** The name of a toast's close button. */
  readonly close: string;
  /** The title of the toast that counts. `plural` is the events' word, undefined if they are of several kinds. */
  readonly more: (count: number, plural: string | undefined) => string;
  /** What stands below it, made of the newest event's subject. */
  readonly latest: (subject: string) => string;
}

/** What the toasts get. */
export interface EventToastsProps {
  /** Who looks at the page; with null there are no toasts. */
  readonly viewer: Viewer | null;
  /** What the user does in this window: its events are not shown here. */
  readonly own?: Pick<OwnActions, "consider">;
  /** Whether to leave out an event, for reasons of the app's own. */
  readonly suppress?: (event: FanfareEvent) => boolean;
  /** The texts. Default: `describeEvent`, for PayChain's events. Called with each event. */
  readonly describe?: Describe;
  /** Words that replace the English ones, one by one. */
  readonly labels?: Partial<ToastLabels>;
  /** How long a toast stands, in milliseconds; the time stops under pointer and focus, and while the page is hidden. Default: 5,000. */
  readonly duration?: number;
  /** Default: `bottom-right`. */
  readonly position?: NonNullable<ToasterProps["position"]>;
  /** Distance from the edges, in pixels; `mobileOffset` below 600 px of width. */
  readonly offset?: NonNullable<ToasterProps["offset"]>;
  readonly mobileOffset?: NonNullable<ToasterProps["mobileOffset"]>;
}

const ENGLISH: ToastLabels = {
  region: "Notifications, Alt+T",
  close: "Close",
  more: (count, plural) => `${count} more ${plural ?? "updates"}`,
  latest: (subject) => `Latest: ${subject}`,
};

const PARTS: NonNullable<ToasterProps["toastOptions"]> = {
  unstyled: true,
  classNames: {
    toast: "fanfare-toast",
    icon: "fanfare-toast-icon",
    content: "fanfare-toast-content",
    title: "fanfare-toast-title",
    description: "fanfare-toast-detail",
    closeButton: "fanfare-toast-close",
  },
};

/** So many ids of events are remembered; beyond, the oldest is forgotten. */
const MOST_IDS = 1_000;

/**
 * Shows toasts for events that concern the viewer: at most three, what comes in a burst beyond them counted in one. Stands once
 * in an app, below the provider; it follows no channel by itself. Import `@fanfare/react/styles.css` for its looks.
 *
 * An event that was missed and comes after a reconnect has its toast then; none has two.
 *
 * Escape closes the toast that has the focus, Alt+T goes to the list. Other toasts of the app's need a `Toaster` of their own.
 */
export function EventToasts(props: EventToastsProps): ReactNode {
  const client = useFanfare();
  const toaster = useId();
  const region = useRef<HTMLElement>(null);
  const shown = useRef(new Set<string>());
  const latest = useRef(props);
  useInsertionEffect(() => {
    latest.current = props;
  });

  const { viewer } = props;
  const person = viewer === null ? null : JSON.stringify([viewer.user_id, viewer.user_type]);
  useEffect(() => {
    const section = region.current;
    if (person === null || section === null) return;
    const stack = createStack(
      {
        show: (id, text) => {
          show(<Title id={id} text={text} />, {
            id,
            toasterId: toaster,
            icon: <span aria-hidden="true">{text.icon}</span>,
            description: hasDetail(text) ? <Detail text={text} /> : null,
            // The stack keeps the time: sonner's would not stop for the keyboard's focus.
            duration: Number.POSITIVE_INFINITY,
            onDismiss: () => stack.gone(id),
          });
        },
        hide: (id) => show.dismiss(id),
      },
      {
        duration: () => latest.current.duration ?? 5_000,
        more: (count, plural) => (latest.current.labels?.more ?? ENGLISH.more)(count, plural),
        latest: (subject) => (latest.current.labels?.latest ?? ENGLISH.latest)(subject),
      },
    );
    const unwatch = watchAttention(section, stack);
    const remove = client.onAny((event) => {
      const { viewer: who, describe = describeEvent, suppress, own } = latest.current;
      if (who === null || isKnown(shown.current, event.id) || suppress?.(event) === true) return;
      const toast = describe(event, who);
      if (toast === null) return;
      if (own === undefined) stack.add(toast);
      else own.consider(event.type, toast.key, () => stack.add(toast));
    });
    return () => {
      remove();
      unwatch();
      stack.end();
    };
  }, [client, toaster, person]);

  if (viewer === null) return null;
  const { labels, position = "bottom-right", offset, mobileOffset } = props;
  return (
    <Toaster
      ref={region}
      id={toaster}
      className="fanfare-toasts"
      position={position}
      visibleToasts={MOST_TOASTS}
      expand
      closeButton
      gap={8}
      customAriaLabel={labels?.region ?? ENGLISH.region}
      toastOptions={{ ...PARTS, closeButtonAriaLabel: labels?.close ?? ENGLISH.close }}
      {...(offset === undefined ? {} : { offset })}
      {...(mobileOffset === undefined ? {} : { mobileOffset })}
    />
  );
}

/** Whether the id was there before; notes it. */
function isKnown(ids: Set<string>, id: string | undefined): boolean {
  if (id === undefined) return false;
  if (ids.has(id)) return true;
  ids.add(id);
  const [oldest] = ids;
  if (ids.size > MOST_IDS && oldest !== undefined) ids.delete(oldest);
  return false;
}

function Title({ id, text }: { id: string; text: ToastText }): ReactNode {
  return <span data-toast={id}>{text.title}</span>;
}

function hasDetail(text: ToastText): boolean {
  return text.amount !== undefined || text.subject !== undefined;
}

/** How much and what about, in one line. Titles come from other people: their direction of writing stays within them. */
function Detail({ text: { amount, subject } }: { text: ToastText }): ReactNode {
  return (
    <>
      {amount !== undefined && <span className="fanfare-toast-amount">{amount}</span>}
      {amount !== undefined && subject !== undefined && <span className="fanfare-toast-dot"> · </span>}
      {subject !== undefined && (
        <bdi className="fanfare-toast-subject" title={subject}>
          {subject}
        </bdi>
      )}
    </>
  );
}
