// The list of conversations, which counts what is unread. chat/live.tsx loads it and keeps it fresh.

import { queryOptions } from "@tanstack/react-query";
import { type Api, answer } from "../api/client";
import { KEYS } from "../api/queries";
import type { ConversationList } from "./wire";

/** The latest conversations, at most 100. */
export function conversations(api: Api) {
  return queryOptions({
    queryKey: KEYS.conversations,
    queryFn: ({ signal }): Promise<ConversationList> =>
      answer(api.GET("/api/chat/conversations", { params: { query: { limit: 100 } }, signal })),
  });
}
