// What keeps chat in step with the server for as long as somebody is signed in: the list of conversations, what events change in
// what is loaded, that this user is there, and the outbox. Shows nothing; loaded behind the first page.

import type { EventMap } from "@fanfare/events";
import { useChannel, useEvent, useFanfare } from "@fanfare/react";
import { useQueryInvalidation } from "@fanfare/react/query";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { KEYS } from "../api/queries";
import { useSession } from "../session";
import { conversations } from "./conversations";
import { withRead } from "./model";
import { outboxOf } from "./outboxes";
import { changePages, putMessage } from "./pages";
import { isSame } from "./person";
import { shareReads } from "./reads";

/** The list is fetched so often besides, milliseconds: what was read on another device is told to nobody. */
const LOOK = 60_000;

/** The channel that tells others that a user is there. */
export function onlineChannel(user: number | string): string {
  return `online:${user}`;
}

/** Follows what happens in chat. */
export function ChatLive() {
  const { user, api } = useSession();
  const queries = useQueryClient();
  const client = useFanfare<EventMap>();
  const me = user.user_id;
  useChannel(onlineChannel(me));
  useQuery({ ...conversations(api), refetchInterval: LOOK });

  // The list's counts are the server's; what is open changes at once, below.
  useQueryInvalidation<EventMap>(
    { message_received: KEYS.conversations, message_read: KEYS.conversations },
    { onGap: [KEYS.chat], streams: [`user:${me}`, "@all"] },
  );
  const outbox = outboxOf(client, api, me, queries);
  useEffect(() => outbox.watch(), [outbox]);
  useEffect(() => shareReads(queries, me), [queries, me]);

  useEvent<EventMap, "message_received">("message_received", (data) => {
    const { id, from_user_id, to_user_id, message, timestamp } = data;
    if (typeof id !== "number" || typeof message !== "string") return;
    const mine = isSame(from_user_id, me);
    const received = {
      id,
      from_user_id,
      to_user_id,
      message,
      timestamp,
      read: isSame(from_user_id, to_user_id),
    };
    if (mine) outbox.arrived(received);
    putMessage(queries, mine ? to_user_id : from_user_id, received);
  });
  useEvent<EventMap, "message_read">("message_read", ({ user_id, message_id }) => {
    changePages(queries, KEYS.messagesWith(user_id), (kept) => withRead(kept, me, message_id));
  });
  return null;
}
