// The messages of a conversation, by day, oldest first: it stays at its end while that is looked at, and where the reader is
// otherwise. Texts are shown as text, whatever they hold.

import { type ReactNode, useCallback, useLayoutEffect, useRef, useState } from "react";
import { AlertIcon, Button, CheckIcon, formatExact, useNow, VisuallyHidden } from "../ui";
import { ClockIcon, DoubleCheckIcon } from "./icons";
import styles from "./log.module.css";
import { clockOf, daysOf } from "./model";
import type { Unsent } from "./outbox";
import { isSame } from "./person";
import type { Thread } from "./use-thread";
import type { ChatMessage } from "./wire";
import { unsentWords } from "./words";

/** Pixels from the end that still count as the end. */
const END = 48;

/** Pixels from the start where the next page is asked for. */
const START = 160;

type Shown = { readonly stored: ChatMessage } | { readonly unsent: Unsent };

interface LogProps {
  thread: Thread;
  /** `Worker #9`. */
  name: string;
  /** The end is in sight, or not any more. */
  onEnd: (atEnd: boolean) => void;
  /** Counts what was sent here: then the end is shown. */
  sent: number;
  /** Shown at the end: who types, and that there is nothing yet. */
  children?: ReactNode;
}

/** The list. */
export function Log({ thread, name, onEnd, sent, children }: LogProps) {
  const { messages, unsent, me } = thread;
  const now = useNow();
  const scroller = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [away, setAway] = useState(false);
  /** The oldest message and the height, when they were last drawn: what comes before it must not move what is read. */
  const drawn = useRef<{ oldest: number | undefined; height: number }>({ oldest: undefined, height: 0 });
  const [seen, setSeen] = useState(0);

  const newest = messages.at(-1)?.id ?? 0;
  const news = away
    ? messages.filter(({ id, from_user_id }) => id > seen && !isSame(from_user_id, me)).length
    : 0;

  const toEnd = useCallback(() => {
    // Set, not called: newer browsers answer the call with a promise.
    if (scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  }, []);
  const look = () => {
    const box = scroller.current;
    if (!box) return;
    const now = box.scrollHeight - box.scrollTop - box.clientHeight <= END;
    if (now !== atEnd.current) {
      atEnd.current = now;
      setAway(!now);
      setSeen(newest);
      onEnd(now);
    }
    if (box.scrollTop < START) thread.loadEarlier();
  };

  // biome-ignore lint/correctness/useExhaustiveDependencies: after each change of what is shown.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const before = drawn.current;
    const oldest = messages[0]?.id;
    if (atEnd.current) toEnd();
    else if (before.oldest !== undefined && oldest !== undefined && oldest < before.oldest) {
      box.scrollTop += box.scrollHeight - before.height;
    }
    drawn.current = { oldest, height: box.scrollHeight };
  }, [messages, unsent, children]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: what was just written is looked at.
  useLayoutEffect(toEnd, [sent]);

  useLayoutEffect(() => {
    if (typeof ResizeObserver === "undefined" || !scroller.current || !inner.current) return;
    const sizes = new ResizeObserver(() => {
      if (atEnd.current) toEnd();
      if (scroller.current) drawn.current.height = scroller.current.scrollHeight;
    });
    sizes.observe(scroller.current);
    sizes.observe(inner.current);
    return () => sizes.disconnect();
  }, [toEnd]);

  const items: Shown[] = [
    ...messages.map((stored) => ({ stored })),
    ...unsent.map((one) => ({ unsent: one })),
  ];
  const days = daysOf(
    items,
    (item) => ("stored" in item ? Date.parse(item.stored.timestamp) : item.unsent.at),
    now,
  );
  return (
    <div className={styles.frame}>
      <div
        ref={scroller}
        className={styles.scroller}
        onScroll={look}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to get to it
        tabIndex={0}
        aria-label="Messages"
        role="log"
        aria-live="polite"
        aria-relevant="additions"
        aria-busy={thread.isLoadingEarlier}
      >
        <div ref={inner} className={styles.inner} data-empty={items.length === 0 || undefined}>
          {thread.hasEarlier && (
            <Button look="quiet" wide pending={thread.isLoadingEarlier} onClick={thread.loadEarlier}>
              Show earlier messages
            </Button>
          )}
          {thread.isFull && <p className={styles.full}>Earlier messages are not shown here.</p>}
          {days.map((day) => (
            <section key={day.key} aria-label={day.name} className={styles.day}>
              <h3 className={styles.date}>{day.name}</h3>
              <ol className={styles.items}>
                {day.items.map((item) =>
                  "stored" in item ? (
                    <Stored
                      key={item.stored.id}
                      message={item.stored}
                      mine={isSame(item.stored.from_user_id, me)}
                      name={name}
                    />
                  ) : (
                    <NotStored key={item.unsent.key} unsent={item.unsent} name={name} thread={thread} />
                  ),
                )}
              </ol>
            </section>
          ))}
          {children}
        </div>
      </div>
      {news > 0 && (
        <button type="button" className={styles.news} onClick={toEnd}>
          {news === 1 ? "1 new message" : `${news} new messages`}
        </button>
      )}
    </div>
  );
}

function Stored({ message, mine, name }: { message: ChatMessage; mine: boolean; name: string }) {
  const time = Date.parse(message.timestamp);
  return (
    <li className={styles.item} data-mine={mine || undefined}>
      <p className={styles.text} dir="auto">
        <VisuallyHidden>{mine ? "You: " : `${name}: `}</VisuallyHidden>
        {message.message}
      </p>
      <p className={styles.meta}>
        <time dateTime={message.timestamp} title={Number.isNaN(time) ? undefined : formatExact(time)}>
          {clockOf(message.timestamp)}
        </time>
        {mine &&
          (message.read ? (
            <Tick icon={<DoubleCheckIcon />} word="Read" read />
          ) : (
            <Tick icon={<CheckIcon />} word="Sent" />
          ))}
      </p>
    </li>
  );
}

function Tick({ icon, word, read }: { icon: ReactNode; word: string; read?: boolean }) {
  return (
    <span className={styles.tick} data-read={read || undefined} title={word}>
      {icon}
      <VisuallyHidden>{word}</VisuallyHidden>
    </span>
  );
}

function NotStored({ unsent, name, thread }: { unsent: Unsent; name: string; thread: Thread }) {
  const failed = unsent.state === "failed" ? unsentWords(unsent.error, name) : null;
  return (
    <li className={styles.item} data-mine data-state={unsent.state}>
      <p className={styles.text} dir="auto">
        <VisuallyHidden>You: </VisuallyHidden>
        {unsent.text}
      </p>
      {failed === null ? (
        <p className={styles.meta}>
          <Tick icon={<ClockIcon />} word="Sending" />
        </p>
      ) : (
        <div className={styles.failed} role="alert">
          <p className={styles.why}>
            <AlertIcon />
            <span>{failed.detail}</span>
          </p>
          <p className={styles.ways}>
            {failed.again && (
              <button type="button" className={styles.way} onClick={() => thread.retry(unsent.key)}>
                Retry
              </button>
            )}
            <button type="button" className={styles.way} onClick={() => thread.remove(unsent.key)}>
              Discard
            </button>
          </p>
        </div>
      )}
    </li>
  );
}
