// The inbox of a React tree: who makes it, who starts it, and what components read of it. What the inbox does is the part of
// @fanfare/inbox; what is shown is in bell.tsx and preferences.tsx. The context's value never changes with a notification.

import {
  createInbox,
  type Inbox,
  type InboxOptions,
  liveFromClient,
  type PreferencesSnapshot,
  type PreferencesStore,
  type Snapshot,
} from "@fanfare/inbox";
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useInsertionEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from "react";
import { useFanfareIfAny } from "../provider.js";

const InboxContext = createContext<Inbox | null>(null);

/** What a provider gets: an inbox that the app made, or what to make one with. */
export type InboxProviderProps = { readonly children?: ReactNode } & (
  | {
      /** An inbox that the app made. It runs as long as this is mounted. */
      readonly inbox: Inbox;
      readonly options?: undefined;
    }
  | {
      /**
       * What the provider makes an inbox with; it follows the events of the nearest `FanfareProvider`, where `live` names nothing
       * else. Another `baseUrl` or `live` makes another inbox. Another `getToken` does not: the latest one is asked. The other
       * options are read when the inbox is made.
       */
      readonly options: InboxOptions;
      readonly inbox?: undefined;
    }
);

/**
 * Gives the tree below it one inbox. Asks nothing on a server. For another user give it another `key`, so that nothing of the first
 * one's inbox is left.
 */
export function InboxProvider(props: InboxProviderProps): ReactNode {
  if (props.inbox !== undefined) return <Running inbox={props.inbox}>{props.children}</Running>;
  return <Made options={props.options}>{props.children}</Made>;
}

function Made({ options, children }: { options: InboxOptions; children: ReactNode }): ReactNode {
  const client = useFanfareIfAny();
  const latest = useRef(options);
  useInsertionEffect(() => {
    latest.current = options;
  });
  const { live } = options;
  const url = String(options.baseUrl ?? "");

  // biome-ignore lint/correctness/useExhaustiveDependencies: an inbox is made anew for these alone, as documented.
  const inbox = useMemo(
    () =>
      createInbox({
        ...options,
        live: live !== undefined ? live : client && liveFromClient(client),
        getToken: (request) => latest.current.getToken(request),
      }),
    [client, url, live],
  );
  return <Running inbox={inbox}>{children}</Running>;
}

function Running({ inbox, children }: { inbox: Inbox; children: ReactNode }): ReactNode {
  useEffect(() => {
    inbox.start();
    // Later, because StrictMode takes every tree away and puts it back at once: that must not cost a second list.
    return () => queueMicrotask(() => inbox.stop());
  }, [inbox]);
  return <InboxContext.Provider value={inbox}>{children}</InboxContext.Provider>;
}

/**
 * The inbox of the nearest provider, for what it does: `markRead`, `remove`, `setFilter`, … Renders nothing by itself.
 *
 * @throws Error if there is no provider above.
 */
export function useInboxStore(): Inbox {
  const inbox = useContext(InboxContext);
  if (inbox === null)
    throw new Error(
      "There is no <InboxProvider> above this component. Put one around what shows notifications.",
    );
  return inbox;
}

/** What an inbox shows, and what can be done with it, for layouts of an app's own. */
export type InboxBindings = Snapshot &
  Pick<
    Inbox,
    | "loadMore"
    | "refresh"
    | "markRead"
    | "markUnread"
    | "markAllRead"
    | "remove"
    | "setFilter"
    | "markShown"
    | "dismissNotice"
  >;

/**
 * All that the inbox shows, and what can be done with it; renders the component at each change. With a `select` only what that gives
 * of it, and only when that is another: `useInbox((inbox) => inbox.unreadCount)`. It must give the same for the same snapshot.
 */
export function useInbox(): InboxBindings;
export function useInbox<T>(select: (snapshot: Snapshot) => T): T;
export function useInbox(select?: (snapshot: Snapshot) => unknown): unknown {
  const inbox = useInboxStore();
  const read = () => (select ?? same)(inbox.getSnapshot());
  const value = useSyncExternalStore(
    useCallback((listener) => inbox.subscribe(listener), [inbox]),
    read,
    read,
  );
  const actions = useMemo(() => actionsOf(inbox), [inbox]);
  return select === undefined ? { ...(value as Snapshot), ...actions } : value;
}

/** The user's preferences as they stand; `preferences` of {@link useInboxStore} loads and saves them. */
export function usePreferences(): PreferencesSnapshot {
  const { preferences } = useInboxStore();
  const read = () => preferences.getSnapshot();
  return useSyncExternalStore(
    useCallback((listener) => preferences.subscribe(listener), [preferences]),
    read,
    read,
  );
}

/** What {@link usePreferences} reads. */
export type { PreferencesStore };

function same<T>(value: T): T {
  return value;
}

/** The same functions at each render. */
function actionsOf(inbox: Inbox): Omit<InboxBindings, keyof Snapshot> {
  return {
    loadMore: () => inbox.loadMore(),
    refresh: () => inbox.refresh(),
    markRead: (id) => inbox.markRead(id),
    markUnread: (id) => inbox.markUnread(id),
    markAllRead: () => inbox.markAllRead(),
    remove: (id) => inbox.remove(id),
    setFilter: (filter) => inbox.setFilter(filter),
    markShown: (ids) => inbox.markShown(ids),
    dismissNotice: () => inbox.dismissNotice(),
  };
}
