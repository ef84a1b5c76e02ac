// A conversation as its panel needs it: what is loaded, what is on its way, who types, and that it was read.

import type { EventMap } from "@fanfare/events";
import { useConnectionState, useEvent, useFanfare } from "@fanfare/react";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { useSession } from "../session";
import { attend } from "./attending";
import { firstToMark, messagesOf } from "./model";
import { outboxOf } from "./outboxes";
import { isSame, type PersonId } from "./person";
import { MOST_PAGES, messagesWith } from "./queries";
import { markRead } from "./reads";
import { SHOWN, typingTeller } from "./typing";

/** The conversation with `peer`. */
export function useThread(peer: PersonId) {
  const { user, api } = useSession();
  const me = user.user_id;
  const queries = useQueryClient();
  const client = useFanfare<EventMap>();
  const loaded = useInfiniteQuery(messagesWith(api, peer));
  const messages = useMemo(() => messagesOf(loaded.data), [loaded.data]);

  const outbox = outboxOf(client, api, me, queries);
  const all = useSyncExternalStore(outbox.subscribe, outbox.unsent);
  const unsent = useMemo(() => all.filter((each) => isSame(each.peer, peer)), [all, peer]);

  const teller = useMemo(() => {
    const tell = (is_typing: boolean) => void client.send("typing", { to_user_id: peer, is_typing });
    return typingTeller(tell, () => Date.now());
  }, [client, peer]);
  // A page that is left, or a panel that is closed: nobody types there any more.
  useEffect(() => {
    addEventListener("pagehide", teller.ended);
    return () => {
      removeEventListener("pagehide", teller.ended);
      teller.ended();
    };
  }, [teller]);

  return {
    me,
    messages,
    unsent,
    /** Sends a text; false if too many wait already. */
    send: useCallback((text: string) => outbox.send(peer, text), [outbox, peer]),
    retry: useCallback((key: string) => outbox.retry(key), [outbox]),
    remove: useCallback((key: string) => outbox.remove(key), [outbox]),
    typing: teller,
    isLoading: loaded.isPending,
    error: loaded.error,
    isRetrying: loaded.isRefetching,
    reload: () => void loaded.refetch(),
    hasEarlier: loaded.hasNextPage,
    /** There is more than is ever shown. */
    isFull: !loaded.hasNextPage && (loaded.data?.pages.length ?? 0) >= MOST_PAGES,
    isLoadingEarlier: loaded.isFetchingNextPage,
    loadEarlier: () => {
      if (loaded.hasNextPage && !loaded.isFetching) void loaded.fetchNextPage();
    },
  };
}

/** What {@link useThread} gives. */
export type Thread = ReturnType<typeof useThread>;

/** Whether somebody writes to this user at the moment. */
export function useTyping(peer: PersonId): boolean {
  const [typing, setTyping] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const { status } = useConnectionState();
  const show = (is: boolean) => {
    clearTimeout(timer.current);
    if (is) timer.current = setTimeout(() => setTyping(false), SHOWN);
    setTyping(is);
  };
  useEvent<EventMap, "user_typing">("user_typing", ({ user_id, is_typing }) => {
    if (isSame(user_id, peer)) show(is_typing === true);
  });
  useEvent<EventMap, "message_received">("message_received", ({ from_user_id }) => {
    if (isSame(from_user_id, peer)) show(false);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  // Nobody would hear of its end.
  return typing && status === "open";
}

/** Marks what the other wrote as read, as long as `looking`, and says so to the rest of the page. */
export function useReading(peer: PersonId, messages: Thread["messages"], looking: boolean): void {
  const { user, api } = useSession();
  const queries = useQueryClient();
  const client = useFanfare();
  const { status } = useConnectionState();
  const me = user.user_id;
  const upTo = looking ? firstToMark(messages, peer) : null;
  const marked = useRef(0);

  useEffect(() => {
    if (looking) return attend(peer);
  }, [peer, looking]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another state of the connection is a reason to try again.
  useEffect(() => {
    if (upTo === null || upTo <= marked.current) return;
    marked.current = upTo;
    markRead({ client, api, queries, me }, peer, upTo).catch(() => {
      marked.current = 0;
    });
  }, [client, api, queries, me, peer, upTo, status]);
}

/** Whether somebody looks at this page: it is visible and has the focus. */
export function useAttention(): boolean {
  return useSyncExternalStore(watchAttention, hasAttention, () => false);
}

function hasAttention(): boolean {
  return document.visibilityState === "visible" && document.hasFocus();
}

function watchAttention(changed: () => void): () => void {
  addEventListener("focus", changed);
  addEventListener("blur", changed);
  document.addEventListener("visibilitychange", changed);
  return () => {
    removeEventListener("focus", changed);
    removeEventListener("blur", changed);
    document.removeEventListener("visibilitychange", changed);
  };
}
