// What chat asks the chat service for. Which events change it is live.tsx.

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { type Api, answer } from "../api/client";
import { ApiProblem } from "../api/problem";
import { KEYS } from "../api/queries";
import type { MessageList } from "./wire";

/** Messages of a page. */
const PAGE = 50;

/** At most so many pages of a conversation are kept: 2,000 messages. */
export const MOST_PAGES = 40;

/** The messages with somebody, newest first. */
export function messagesWith(api: Api, peer: number | string) {
  return infiniteQueryOptions({
    queryKey: KEYS.messagesWith(peer),
    initialPageParam: null as MessageList["next"],
    queryFn: ({ pageParam, signal }): Promise<MessageList> => {
      const query = { limit: PAGE, ...(pageParam === null ? {} : { before: pageParam }) };
      const path = { user_id: String(peer) };
      return answer(api.GET("/api/chat/{user_id}/messages", { params: { path, query }, signal }));
    },
    getNextPageParam: (page, pages) => (pages.length < MOST_PAGES ? page.next : null),
  });
}

/** Whether this user has blocked somebody. */
export function blockOf(api: Api, peer: number | string) {
  return queryOptions({
    queryKey: KEYS.blockOf(peer),
    queryFn: async ({ signal }): Promise<boolean> => {
      const params = { path: { user_id: String(peer) } };
      try {
        await answer(api.GET("/api/chat/blocks/{user_id}", { params, signal }));
        return true;
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 404) return false;
        throw error;
      }
    },
  });
}
