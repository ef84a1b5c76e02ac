// How many messages wait, for what is on the first page: it reads what chat/live.tsx has loaded and keeps, and loads nothing.

import { useQuery } from "@tanstack/react-query";
import { useSession } from "../session";
import { useAttended } from "./attending";
import { conversations } from "./conversations";
import { isSame, type PersonId } from "./person";
import type { Conversation } from "./wire";

const NONE: ReadonlyMap<string, number> = new Map();

/** Unread messages by the other's id as text. Of the conversation that is being looked at there are none. */
export function useUnread(): ReadonlyMap<string, number> {
  const { api } = useSession();
  const { data } = useQuery({ ...conversations(api), enabled: false });
  const attending = useAttended();
  return data ? unreadOf(data.items, attending) : NONE;
}

/** `99+` beyond 99. */
export function countWord(count: number): string {
  return count > 99 ? "99+" : String(count);
}

/** How many messages of others are unread, by the other's id as text; only those above 0. */
export function unreadOf(
  conversations: readonly Conversation[],
  attending: PersonId | null,
): ReadonlyMap<string, number> {
  const unread = new Map<string, number>();
  for (const { user_id, unread_count } of conversations) {
    if (unread_count > 0 && (attending === null || !isSame(attending, user_id))) {
      unread.set(String(user_id), unread_count);
    }
  }
  return unread;
}
