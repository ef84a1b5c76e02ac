// Feeds the list's model: the pages that are loaded, what the reader does, which rows are held. What is shown is decided
// in list-model.ts; the queries are invalidated by live/.

import { useCallback, useLayoutEffect, useMemo, useRef, useState } from "react";
import { filterKey, type JobFilter } from "./filter";
import type { Job } from "./job";
import { EMPTY_LIST, type ListEvent, type ListState, needsOlder, reduceList } from "./list-model";
import { useJobPages, useKeepPages } from "./queries";

/** Pages loaded at most, of 50 jobs each: what is further back is found by narrowing the filter. */
export const MAX_PAGES = 10;

/** What the reader does, as the list's elements tell it. */
export interface Reader {
  /** The pointer came into the list's pane or left it. Fingers don't count: they do not rest. */
  pointing: (inside: boolean) => void;
  /** The row under the pointer; null for none. */
  pointAt: (id: number | null) => void;
  /** The row that has the keyboard's focus; null for none. */
  focus: (id: number | null) => void;
  /** Whether the list is scrolled away from its top. */
  scrolled: (away: boolean) => void;
  /** The reader went on to another row by keyboard. */
  moved: () => void;
}

/** The list of a filter. */
export interface JobList {
  state: ListState;
  /** The first load is under way: there is nothing to show yet. */
  loading: boolean;
  /** What was thrown by the last load; null where it went well. What was loaded before it is shown on. */
  error: unknown;
  /** What was thrown by the last try to load older jobs. */
  olderError: unknown;
  retry: () => void;
  /** It is being loaded again. */
  refreshing: boolean;
  /** Older jobs can be loaded. */
  hasOlder: boolean;
  /** There are older jobs than this page shows at most. */
  isFull: boolean;
  loadingOlder: boolean;
  loadOlder: () => void;
  showWaiting: () => void;
  reader: Reader;
}

/** The list of `filter`, kept up to date. `selected` is the job that is open beside it, `open` its newest version. */
export function useJobList(filter: JobFilter, selected: number | null, open: Job | undefined): JobList {
  const key = filterKey(filter);
  const pages = useJobPages(filter);
  const [state, setState] = useState(EMPTY_LIST);
  // What is true now, also before it is drawn: events come one after the other.
  const latest = useRef(EMPTY_LIST);
  const dispatch = useCallback((event: ListEvent): ListState => {
    latest.current = reduceList(latest.current, event);
    setState(latest.current);
    return latest.current;
  }, []);

  const doing = useRef({ inside: false, pointed: nobody(), focused: nobody(), away: false, selected });
  const held = useCallback(() => {
    const { pointed, focused, selected } = doing.current;
    return [selected, pointed, focused].filter((id) => id !== null);
  }, []);
  const reading = useCallback(() => {
    const { inside, focused, away } = doing.current;
    return inside || focused !== null || away;
  }, []);
  const settle = useCallback(
    () => void dispatch({ type: "settle", reading: reading(), held: held() }),
    [dispatch, reading, held],
  );

  // Opening another job is going on, except under the pointer: there nothing moves until it leaves.
  useLayoutEffect(() => {
    const moved = doing.current.selected !== selected;
    doing.current.selected = selected;
    if (moved && !doing.current.inside) settle();
  }, [selected, settle]);

  const jobs = useMemo(() => pages.data?.pages.flatMap((page) => page.items), [pages.data]);
  const hasOlder = pages.hasNextPage;
  const loaded = pages.data?.pages.length ?? 0;
  const isFull = hasOlder && loaded >= MAX_PAGES;
  // How many pages the reader asked for. More are loaded while new jobs wait and push the shown ones further back.
  const [wish, setWish] = useState({ key, pages: 1 });
  const asked = wish.key === key ? wish.pages : 1;
  const { fetchNextPage } = pages;
  const keepPages = useKeepPages(filter);
  useLayoutEffect(() => {
    if (!jobs) return;
    const known = open ? [open] : [];
    const isRead = reading();
    const all = loaded <= asked;
    const event = { key, jobs, hasOlder, reading: isRead, asked: all, held: held(), known };
    const now = dispatch({ type: "loaded", ...event });
    if (!isRead && !all) keepPages(asked);
    else if (!isFull && needsOlder(now, jobs, hasOlder)) void fetchNextPage({ cancelRefetch: false });
  }, [key, jobs, hasOlder, loaded, asked, isFull, open, dispatch, reading, held, fetchNextPage, keepPages]);

  const current = state.key === key;
  const reader = useMemo<Reader>(
    () => ({
      pointing(inside) {
        doing.current.inside = inside;
        if (!inside) {
          doing.current.pointed = null;
          settle();
        }
      },
      pointAt(id) {
        doing.current.pointed = id;
      },
      focus(id) {
        const left = id === null && doing.current.focused !== null;
        doing.current.focused = id;
        if (left) settle();
      },
      scrolled(away) {
        const back = doing.current.away && !away;
        doing.current.away = away;
        if (back) settle();
      },
      moved: settle,
    }),
    [settle],
  );

  return {
    state: current ? state : EMPTY_LIST,
    loading: !current && pages.error === null,
    error: pages.isFetchNextPageError ? null : pages.error,
    olderError: pages.isFetchNextPageError ? pages.error : null,
    retry: () => void pages.refetch(),
    refreshing: pages.isRefetching,
    hasOlder: (hasOlder && !isFull) || loaded > asked,
    isFull,
    loadingOlder: pages.isFetchingNextPage,
    loadOlder: () => {
      // What is loaded already needs no call.
      setWish({ key, pages: Math.max(loaded, asked + 1) });
      if (loaded <= asked) void fetchNextPage();
    },
    showWaiting: useCallback(() => void dispatch({ type: "show_waiting" }), [dispatch]),
    reader,
  };
}

function nobody(): number | null {
  return null;
}
