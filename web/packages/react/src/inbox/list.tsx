// The list of the panel: days, rows, loading on scroll, what it says when it is empty or could not be loaded, and how it is walked
// by the keyboard. What a row looks like is row.tsx; what is in it is @fanfare/inbox's part.

import { groupByDay, type Notification } from "@fanfare/inbox";
import {
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useId,
  useInsertionEffect,
  useRef,
  useState,
} from "react";
import { useSecondsUntil } from "../countdown.js";
import { BellIcon } from "./icons.js";
import { useNow } from "./now.js";
import { useInbox, useInboxStore } from "./provider.js";
import { useReading } from "./reading.js";
import { type Act, Row } from "./row.js";
import type { Words } from "./words.js";

/** So far before its end the list loads what is older, pixels. */
const AHEAD = 300;

/** The places that are shown while the first page is loaded. */
const BONES = ["1", "2", "3", "4"];

/** What the list gets. */
export interface ListProps {
  readonly words: Words;
  readonly hrefOf: (notification: Notification) => string | undefined;
  /** One was opened: its link was followed, if it has one. */
  readonly onOpen: Act;
}

/** The list. */
export function List({ words, hrefOf, onOpen }: ListProps): ReactNode {
  const inbox = useInboxStore();
  const { items, status, filter, hasMore, isLoadingMore, failure } = useInbox();
  const scroll = useRef<HTMLDivElement>(null);
  const { shown, waiting, release, handlers } = useReading(scroll, items, filter);
  const now = useNow();
  const days = useId();

  /** What was there when the list was opened, or another filter chosen; the rest came in since. */
  const [first, setFirst] = useState<{ readonly of: unknown; readonly newest: number } | null>(null);
  if (status === "ready" && first?.of !== filter) setFirst({ of: filter, newest: items[0]?.id ?? 0 });

  // Where Tab stops: what was chosen last, or what was the first. It does not move with what comes in.
  const [chosen, setChosen] = useState<number | null>(null);
  const isShown = (id: number | null | undefined) => shown.some((one) => one.id === id);
  const stop = [chosen, first?.newest].find(isShown) ?? shown[0]?.id;

  useEffect(() => {
    const show = () => {
      if (document.visibilityState !== "hidden") inbox.markShown(shown.map(({ id }) => id));
    };
    show();
    document.addEventListener("visibilitychange", show);
    return () => document.removeEventListener("visibilitychange", show);
  }, [inbox, shown]);

  const focusRow = (id: number | undefined) => {
    if (id === undefined) return;
    setChosen(id);
    scroll.current?.querySelector<HTMLElement>(`[data-id="${id}"] .fanfare-inbox-open`)?.focus();
  };
  const remove = (id: number) => {
    const at = shown.findIndex((one) => one.id === id);
    const next = shown[at + 1] ?? shown[at - 1];
    // Before it goes: the focus would be nowhere.
    if (next) focusRow(next.id);
    else scroll.current?.focus();
    inbox.remove(id);
  };
  const perform: Act = (name, notification, event) => {
    const { id, is_read } = notification;
    if (name === "read") void inbox.markRead(id);
    else if (name === "unread") void inbox.markUnread(id);
    else if (name === "remove") remove(id);
    else {
      setChosen(id);
      if (!is_read) void inbox.markRead(id);
      onOpen(name, notification, event);
    }
  };
  // The same function for all rows at all times.
  const latest = useRef(perform);
  useInsertionEffect(() => {
    latest.current = perform;
  });
  const [act] = useState(
    (): Act =>
      (...given) =>
        latest.current(...given),
  );

  const walk = (event: KeyboardEvent) => {
    if (!(event.target instanceof Element) || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = event.target.closest<HTMLElement>("[data-id]");
    const at = shown.findIndex(({ id }) => String(id) === row?.dataset.id);
    if (at === -1) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    // What says "delete" on a Mac is Backspace.
    if ((event.key === "Delete" || event.key === "Backspace") && shown[at] !== undefined)
      remove(shown[at].id);
    else if (to !== undefined) focusRow(shown[to]?.id);
    else return;
    event.preventDefault();
  };

  const isEmpty = shown.length === 0;
  const isStale = !isEmpty && failure?.action === "load";
  return (
    <div className="fanfare-inbox-body">
      {waiting > 0 && (
        <button
          type="button"
          className="fanfare-inbox-pill"
          onClick={() => {
            release();
            if (scroll.current) scroll.current.scrollTop = 0;
            scroll.current?.focus({ preventScroll: true });
          }}
        >
          {words.newer(waiting)}
        </button>
      )}
      {isStale && <Stale words={words} />}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: keys come from the rows in it. */}
      <div
        ref={scroll}
        className="fanfare-inbox-scroll"
        data-scroll=""
        tabIndex={-1}
        aria-busy={status === "loading"}
        onKeyDown={walk}
        {...handlers}
      >
        {isEmpty && (status === "ready" ? <Empty words={words} /> : <Waiting words={words} />)}
        {groupByDay(shown, { now, locale: words.locale, earlier: words.earlier }).map((group) => (
          <section key={group.key} aria-labelledby={`${days}${group.key}`}>
            <h3 id={`${days}${group.key}`} className="fanfare-inbox-day">
              {group.title}
            </h3>
            <ul className="fanfare-inbox-list">
              {group.items.map((notification) => (
                <Row
                  key={notification.id}
                  notification={notification}
                  href={hrefOf(notification)}
                  now={now}
                  isStop={notification.id === stop}
                  isNew={first !== null && notification.id > first.newest}
                  words={words}
                  act={act}
                />
              ))}
            </ul>
          </section>
        ))}
        {!isEmpty && hasMore && (
          <Older
            isLoading={isLoadingMore}
            failed={failure?.action === "load_more" ? words.failure(failure) : null}
            words={words}
            load={() => void inbox.loadMore()}
          />
        )}
      </div>
    </div>
  );
}

/** The end of what was loaded: loads what is older when it comes near. */
function Older(props: {
  isLoading: boolean;
  failed: string | null;
  words: Words;
  load: () => void;
}): ReactNode {
  const { isLoading, failed, words, load } = props;
  const end = useRef<HTMLDivElement>(null);
  const latest = useRef(load);
  useInsertionEffect(() => {
    latest.current = load;
  });
  // After a failure it waits to be asked.
  const isWaiting = !isLoading && failed === null;
  useEffect(() => {
    const element = end.current;
    if (!isWaiting || element === null || typeof IntersectionObserver === "undefined") return;
    const watch = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) latest.current();
      },
      { root: element.closest("[data-scroll]"), rootMargin: `${AHEAD}px` },
    );
    watch.observe(element);
    return () => watch.disconnect();
  }, [isWaiting]);
  return (
    <div ref={end} className="fanfare-inbox-more-rows">
      {failed !== null && <span role="alert">{failed}</span>}
      <button
        type="button"
        className="fanfare-inbox-button"
        data-look="quiet"
        aria-disabled={isLoading}
        onClick={() => {
          if (!isLoading) load();
        }}
      >
        {isLoading ? words.loading : failed === null ? words.more : words.tryAgain}
      </button>
    </div>
  );
}

/** Nothing to show: what will be here, or how all of it is shown again. */
function Empty({ words }: { words: Words }): ReactNode {
  const inbox = useInboxStore();
  const { category, unread } = useInbox((snapshot) => snapshot.filter);
  const isAll = category === null && !unread;
  return (
    <div className="fanfare-inbox-state">
      <BellIcon />
      <p>{isAll ? words.empty : unread ? words.emptyUnread : words.emptyCategory}</p>
      {isAll ? (
        <p>{words.emptyHint}</p>
      ) : (
        <button
          type="button"
          className="fanfare-inbox-button"
          onClick={() => inbox.setFilter({ category: null, unread: false })}
        >
          {words.showAll}
        </button>
      )}
    </div>
  );
}

/** Nothing yet: it is loaded, or could not be. */
function Waiting({ words }: { words: Words }): ReactNode {
  const { status, failure } = useInbox();
  if (status !== "failed") {
    return (
      <>
        <p className="fanfare-inbox-hidden">{words.loading}</p>
        {BONES.map((key) => (
          <div key={key} className="fanfare-inbox-bone" aria-hidden="true">
            <span />
            <span />
          </div>
        ))}
      </>
    );
  }
  return (
    <div className="fanfare-inbox-state">
      {failure !== null && <p role="alert">{words.failure(failure)}</p>}
      <Again words={words} />
    </div>
  );
}

/** What is shown may be old. */
function Stale({ words }: { words: Words }): ReactNode {
  return (
    <div className="fanfare-inbox-stale">
      <p role="alert">{words.stale}</p>
      <Again words={words} />
    </div>
  );
}

/** When it is tried again by itself, and the way to try now. */
function Again({ words }: { words: Words }): ReactNode {
  const inbox = useInboxStore();
  const seconds = useSecondsUntil(useInbox(({ retryAt }) => retryAt));
  return (
    <>
      {seconds !== null && <p>{words.retryIn(seconds)}</p>}
      <button type="button" className="fanfare-inbox-button" onClick={() => void inbox.refresh()}>
        {seconds === null ? words.tryAgain : words.tryNow}
      </button>
    </>
  );
}
