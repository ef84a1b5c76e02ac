// What is loaded of conversations, changed by what came and what was sent. What changes is model.ts.

import type { QueryClient, QueryKey } from "@tanstack/react-query";
import { KEYS } from "../api/queries";
import { messagesOf, type Pages, withMessage } from "./model";
import type { ChatMessage } from "./wire";

/** Puts a message into what is loaded of a conversation. */
export function putMessage(queries: QueryClient, peer: number | string, message: ChatMessage): void {
  changePages(queries, KEYS.messagesWith(peer), (kept) => withMessage(kept, message));
}

/** The latest message of a conversation; 0 if there is none, null while it is not loaded. */
export function latestOf(queries: QueryClient, peer: number | string): number | null {
  const kept = queries.getQueryData<Pages>(KEYS.messagesWith(peer));
  return kept ? (messagesOf(kept).at(-1)?.id ?? 0) : null;
}

/** Changes what is loaded. An answer that is under way may be from before: then it is asked for once more. */
export function changePages(queries: QueryClient, queryKey: QueryKey, change: (kept: Pages) => Pages): void {
  queries.setQueryData<Pages>(queryKey, (kept) => kept && change(kept));
  const query = queries.getQueryCache().find({ queryKey, exact: true });
  if (query?.state.fetchStatus !== "fetching") return;
  const again = () => queries.invalidateQueries({ queryKey, exact: true });
  query.promise?.then(again, () => undefined);
}
