// The left pane: filters, a line that says how many there are or how many are new, and the rows. Which rows those are is
// decided in list-model.ts; this tells it what the reader does.

import type { UserType } from "@fanfare/events";
import {
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useCallback,
  useEffect,
  useRef,
  useState,
} from "react";
import { type Asked, describeProblem } from "../api/words";
import { useUnread } from "../chat/unread";
import { useSession } from "../session";
import { AlertIcon, Button, EmptyState, Loading, Problem, Skeleton, VisuallyHidden } from "../ui";
import { type EmptyAction, emptyWords } from "./empty-words";
import { filterKey, type JobFilter } from "./filter";
import { ArrowUpIcon } from "./icons";
import { otherParty } from "./job";
import styles from "./job-list.module.css";
import { JobRow } from "./job-row";
import { ListFilters } from "./list-filters";
import type { JobList as List } from "./use-job-list";

/** What failed where the list does not come. */
const RELOAD: Asked = { title: "The jobs could not be loaded", kind: "read" };

/** Pixels that the list may be scrolled and still counts as at its top. */
const TOP = 8;

/** Where the reader was in a list that is shown again: on a phone the detail takes its place. */
export interface Place {
  top: number;
  /** The row to go back to; null for none. */
  row: number | null;
}

interface JobListProps {
  list: List;
  filter: JobFilter;
  onFilter: (filter: JobFilter) => void;
  role: UserType;
  selected: number | null;
  /** The address's filter, kept when a row is opened. */
  search: string;
  heading: ReactNode;
  /** Goes into the detail, where one is open. */
  onEnterDetail: () => void;
  onEmptyAction: (action: EmptyAction) => void;
  /** Which buttons an empty list may show. */
  offers: readonly EmptyAction[];
  /** Kept by the page while this is not shown. */
  place: RefObject<Place>;
}

/** The list of jobs with its filters. */
export function JobList(props: JobListProps) {
  const {
    list,
    filter,
    onFilter,
    role,
    selected,
    search,
    heading,
    onEnterDetail,
    onEmptyAction,
    offers,
    place,
  } = props;
  const { state, reader } = list;
  const { user: viewer } = useSession();
  const unread = useUnread();
  const scroller = useRef<HTMLDivElement>(null);
  const [stop, setStop] = useState<number | null>(null);

  const ids = state.rows.map((row) => row.job.job_id);
  const tabStop = [stop, selected, ids[0]].find((id) => id !== undefined && id !== null && ids.includes(id));

  useEffect(() => {
    const { top, row } = place.current;
    scroller.current?.scrollTo({ top });
    if (row !== null)
      scroller.current?.querySelector<HTMLElement>(`[data-job="${row}"]`)?.focus({ preventScroll: true });
    // A list that is gone tells no more of the pointer and the focus.
    return () => {
      reader.focus(null);
      reader.pointing(false);
    };
  }, [place, reader]);

  // Another list starts at its top.
  const key = filterKey(filter);
  const shownKey = useRef(key);
  useEffect(() => {
    if (shownKey.current === key) return;
    shownKey.current = key;
    scroller.current?.scrollTo({ top: 0 });
    reader.scrolled(false);
  }, [key, reader]);

  const onFocus = useCallback(
    (id: number) => {
      setStop(id);
      // A press with the mouse focuses too, and the hand has gone on by then.
      const byKeyboard = document.activeElement?.matches(":focus-visible") ?? false;
      reader.focus(byKeyboard ? id : null);
    },
    [reader],
  );

  const focusRow = (index: number) => {
    const id = ids[Math.max(0, Math.min(ids.length - 1, index))];
    const link = id === undefined ? null : scroller.current?.querySelector<HTMLElement>(`[data-job="${id}"]`);
    link?.focus();
    link?.scrollIntoView({ block: "nearest" });
    reader.moved();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>("[data-job]") : null;
    if (!row) return;
    const id = Number(row.dataset.job);
    const at = ids.indexOf(id);
    const act = (what: () => void) => {
      event.preventDefault();
      what();
    };
    if (event.key === "ArrowDown" || event.key === "j") act(() => focusRow(at + 1));
    else if (event.key === "ArrowUp" || event.key === "k") act(() => focusRow(at - 1));
    else if (event.key === "Home") act(() => focusRow(0));
    else if (event.key === "End") act(() => focusRow(ids.length - 1));
    // The first Enter opens a row, the second one goes into what it opened.
    else if (event.key === "Enter" && id === selected) act(onEnterDetail);
  };

  const showWaiting = () => {
    list.showWaiting();
    scroller.current?.scrollTo({ top: 0 });
  };

  return (
    <section
      className={styles.pane}
      aria-label="Jobs"
      onPointerEnter={(event) => {
        if (event.pointerType !== "touch") reader.pointing(true);
      }}
      onPointerLeave={(event) => {
        if (event.pointerType !== "touch") reader.pointing(false);
      }}
    >
      <header className={styles.head}>
        {heading}
        <ListFilters filter={filter} role={role} onChange={onFilter} />
        <ListLine list={list} onShow={showWaiting} />
      </header>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: keys of the links inside, which move between them */}
      <div
        ref={scroller}
        className={styles.scroller}
        onScroll={({ currentTarget: { scrollTop } }) => {
          place.current.top = scrollTop;
          reader.scrolled(scrollTop > TOP);
        }}
        onKeyDown={onKeyDown}
        onBlur={(event) => {
          const next = event.relatedTarget;
          if (!(next instanceof Node && event.currentTarget.contains(next))) reader.focus(null);
        }}
      >
        {list.error !== null && ids.length === 0 && (
          <div className={styles.problem}>
            <Problem error={list.error} asked={RELOAD} onRetry={list.retry} retrying={list.refreshing} />
          </div>
        )}
        {list.loading && <ListSkeleton />}
        {!list.loading && list.error === null && ids.length === 0 && (
          <EmptyList filter={filter} role={role} offers={offers} onAction={onEmptyAction} />
        )}
        {ids.length > 0 && (
          <ul aria-label="Jobs, newest first">
            {state.rows.map((row) => (
              <JobRow
                key={row.job.job_id}
                row={row}
                selected={row.job.job_id === selected}
                unread={unread.get(String(otherParty(row.job, viewer))) ?? 0}
                tabStop={row.job.job_id === tabStop}
                search={search}
                onFocus={onFocus}
                onPoint={reader.pointAt}
              />
            ))}
          </ul>
        )}
        {list.olderError !== null && (
          <div className={styles.problem}>
            <Problem
              error={list.olderError}
              asked={{ title: "Older jobs could not be loaded", kind: "read" }}
            />
          </div>
        )}
        {list.hasOlder && (
          <div className={styles.older}>
            <Button look="quiet" wide pending={list.loadingOlder} onClick={list.loadOlder}>
              Show older
            </Button>
          </div>
        )}
        {list.isFull && (
          <p className={styles.full}>Older jobs are not shown here. Choose a type to narrow the list.</p>
        )}
      </div>
    </section>
  );
}

/** The line above the rows: it never changes its height, so nothing below it moves when new jobs come. */
function ListLine({ list, onShow }: { list: List; onShow: () => void }) {
  const fresh = list.state.waiting.length;
  const shown = list.state.rows.filter((row) => !row.left).length;
  const more = list.hasOlder || list.isFull;
  const words = fresh === 1 ? "1 new job" : `${fresh} new jobs`;
  return (
    <div className={styles.line}>
      {list.error !== null && list.state.rows.length > 0 ? (
        <span role="alert" className={styles.stale} title={describeProblem(list.error, RELOAD).detail}>
          <AlertIcon />
          May be out of date.
          <VisuallyHidden> {describeProblem(list.error, RELOAD).detail}</VisuallyHidden>
          <button type="button" className={styles.retry} onClick={list.retry} aria-disabled={list.refreshing}>
            {list.refreshing ? "Retrying" : "Retry"}
          </button>
        </span>
      ) : (
        <span className={styles.count}>
          {shown > 0 && `${shown}${more ? "+" : ""} ${shown === 1 && !more ? "job" : "jobs"}, newest first`}
        </span>
      )}
      {fresh > 0 && (
        <button type="button" className={styles.pill} onClick={onShow}>
          <ArrowUpIcon />
          {words}
        </button>
      )}
      <span role="status" className="visually-hidden">
        {fresh > 0 ? words : ""}
      </span>
    </div>
  );
}

interface EmptyListProps {
  filter: JobFilter;
  role: UserType;
  offers: readonly EmptyAction[];
  onAction: (action: EmptyAction) => void;
}

function EmptyList({ filter, role, offers, onAction }: EmptyListProps) {
  const { title, text, action, button } = emptyWords(filter, role);
  return (
    <div className={styles.empty}>
      <EmptyState
        title={title}
        action={
          action &&
          offers.includes(action) && (
            <Button look={action === "post" ? "primary" : "secondary"} onClick={() => onAction(action)}>
              {button}
            </Button>
          )
        }
      >
        {text}
      </EmptyState>
    </div>
  );
}

/** Widths of the bars of titles, in percent. */
const TITLES = [72, 54, 80, 62, 46, 70];

function ListSkeleton() {
  return (
    <Loading label="Loading jobs">
      {TITLES.map((width) => (
        <div key={width} className={styles.bones}>
          <Skeleton width={`${width}%`} />
          <Skeleton width={56} />
          <Skeleton width={120} height={10} />
        </div>
      ))}
    </Loading>
  );
}
