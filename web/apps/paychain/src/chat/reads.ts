// That messages were read: told to the service, kept in what is loaded, and told to the other windows of this browser. Another
// device hears of it when it next asks for the conversations (live.tsx).

import type { Client } from "@fanfare/client";
import type { QueryClient } from "@tanstack/react-query";
import { type Api, answer } from "../api/client";
import { KEYS } from "../api/queries";
import { type Pages, withRead } from "./model";
import { isSame } from "./person";
import type { ConversationList } from "./wire";

/** What windows tell each other. */
interface Read {
  readonly peer: number | string;
  readonly message_id: number;
}

const nameOf = (me: number) => `paychain.read.${me}`;

/**
 * Tells that a message of somebody and all before it were read: over the connection, or by HTTP where there is none. Throws if
 * neither works; reading the next message tells of this one too.
 */
export async function markRead(
  { client, api, queries, me }: { client: Client; api: Api; queries: QueryClient; me: number },
  peer: number | string,
  message_id: number,
): Promise<void> {
  const told = await client.request("mark_read", { message_id }).catch(() => null);
  if (!told?.success) {
    const params = { path: { user_id: String(peer) } };
    await answer(api.POST("/api/chat/{user_id}/read", { params, body: { message_id } }));
  }
  noteRead(queries, { peer, message_id });
  if (typeof BroadcastChannel === "undefined") return;
  const windows = new BroadcastChannel(nameOf(me));
  windows.postMessage({ peer, message_id } satisfies Read);
  windows.close();
}

/** Hears what was read in other windows. Returns what ends that. */
export function shareReads(queries: QueryClient, me: number): () => void {
  if (typeof BroadcastChannel === "undefined") return () => undefined;
  const windows = new BroadcastChannel(nameOf(me));
  windows.onmessage = ({ data }: MessageEvent<Read>) => noteRead(queries, data);
  return () => windows.close();
}

function noteRead(queries: QueryClient, { peer, message_id }: Read): void {
  queries.setQueryData<Pages>(KEYS.messagesWith(peer), (kept) => kept && withRead(kept, peer, message_id));
  queries.setQueryData<ConversationList>(
    KEYS.conversations,
    (kept) =>
      kept && {
        ...kept,
        items: kept.items.map((conversation) =>
          isSame(conversation.user_id, peer) && conversation.last_message.id <= message_id
            ? { ...conversation, unread_count: 0, last_read_id: message_id }
            : conversation,
        ),
      },
  );
  void queries.invalidateQueries({ queryKey: KEYS.conversations });
}
