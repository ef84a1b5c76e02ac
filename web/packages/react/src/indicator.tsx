// The connection's state in words, with what a person can do about it. Reads the state only, so no event renders it.
// Its looks are in styles.css; it stands in the page's flow and covers nothing.

import type { ConnectionState, Reason, ReasonCode } from "@fanfare/client";
import { type ReactNode, useEffect, useRef } from "react";
import { useSecondsUntil } from "./countdown.js";
import { useFanfare } from "./provider.js";
import { useConnectionState } from "./state.js";

/** The indicator's words, for another language or another tone. */
export interface IndicatorLabels {
  readonly live: string;
  readonly connecting: string;
  readonly reconnecting: string;
  /** Follows `reconnecting` while it waits: "in 4 s". Not announced by screen readers each second. */
  readonly inSeconds: (seconds: number) => string;
  readonly offlineSince: (since: Date) => string;
  readonly signedOut: string;
  /** Any other end; the client's sentence by default. */
  readonly closed: (reason: Reason) => string;
  /** On the button that ends the pause before the next attempt. */
  readonly tryNow: string;
  /** On the button that connects again after an end; there is none where that could not help. */
  readonly connect: string;
}

/** What an indicator gets. */
export interface ConnectionIndicatorProps {
  /** Words that replace the English ones, one by one. */
  readonly labels?: Partial<IndicatorLabels>;
  /** Further class names of the outer element. */
  readonly className?: string;
}

const ENGLISH: IndicatorLabels = {
  live: "Live",
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  inSeconds: (seconds) => `in ${seconds} s`,
  offlineSince: (since) => `Offline since ${clock(since)}`,
  signedOut: "Signed out",
  closed: (reason) => reason.message,
  tryNow: "Try now",
  connect: "Connect",
};

function clock(time: Date): string {
  const two = (number: number) => String(number).padStart(2, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** Ends that only another address or another page changes: connecting again would end the same way. */
const HOPELESS: ReadonlySet<ReasonCode> = new Set(["invalid_url", "insecure", "no_websocket"]);

/** What is shown: a name for the style sheet, the words, and whether there is a button. */
interface Face {
  readonly name: "live" | "connecting" | "reconnecting" | "offline" | "signed-out" | "closed";
  readonly text: string;
  readonly button?: { readonly label: string; readonly busy: boolean };
}

function faceOf(state: ConnectionState, labels: IndicatorLabels): Face {
  switch (state.status) {
    case "open":
      return { name: "live", text: labels.live };
    case "connecting":
      return { name: "connecting", text: labels.connecting };
    case "reconnecting":
      if (state.waiting === "network") {
        return { name: "offline", text: labels.offlineSince(new Date(state.since)) };
      }
      return {
        name: "reconnecting",
        text: labels.reconnecting,
        button: { label: labels.tryNow, busy: state.waiting === "answer" },
      };
    case "closed":
      if (state.reason.code === "unauthorized") return { name: "signed-out", text: labels.signedOut };
      return {
        name: "closed",
        text: labels.closed(state.reason),
        ...(HOPELESS.has(state.reason.code) ? {} : { button: { label: labels.connect, busy: false } }),
      };
  }
}

/**
 * The connection's state: "Live", "Connecting", "Reconnecting in 4 s" with a button "Try now", "Offline since 14:03",
 * "Signed out", or why it ended, with a button "Connect" where that can help. A change of state is announced to screen
 * readers once, the seconds are not. On hover it says why there is no connection. Import `@fanfare/react/styles.css` for its
 * looks.
 */
export function ConnectionIndicator({ labels, className }: ConnectionIndicatorProps): ReactNode {
  const client = useFanfare();
  const state = useConnectionState();
  const words: IndicatorLabels = labels === undefined ? ENGLISH : { ...ENGLISH, ...labels };
  const face = faceOf(state, words);
  const seconds = useSecondsUntil(state.status === "reconnecting" ? state.retryAt : null);

  // A button that goes away while it has the focus would leave the keyboard nowhere.
  const outer = useRef<HTMLDivElement>(null);
  const focused = useRef(false);
  const hasButton = face.button !== undefined;
  useEffect(() => {
    if (hasButton || !focused.current) return;
    focused.current = false;
    outer.current?.focus();
  }, [hasButton]);

  return (
    <div
      ref={outer}
      className={className === undefined ? "fanfare-indicator" : `fanfare-indicator ${className}`}
      data-state={face.name}
      tabIndex={-1}
    >
      <span className="fanfare-indicator-dot" aria-hidden="true" />
      <span className="fanfare-indicator-text" title={state.reason?.message}>
        <span role="status">{face.text}</span>
        {face.name === "reconnecting" && (
          <>
            {" "}
            {/* Empty during an attempt: it keeps its place, so that nothing jumps. */}
            <span className="fanfare-indicator-seconds">
              {seconds === null ? "" : words.inSeconds(seconds)}
            </span>
          </>
        )}
      </span>
      {face.button !== undefined && (
        <button
          type="button"
          className="fanfare-indicator-button"
          aria-disabled={face.button.busy || undefined}
          onClick={() => {
            if (face.button?.busy === false) client.connect();
          }}
          onFocus={() => {
            focused.current = true;
          }}
          onBlur={() => {
            focused.current = false;
          }}
        >
          {face.button.label}
        </button>
      )}
    </div>
  );
}
