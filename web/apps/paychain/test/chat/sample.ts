// Messages of the chat's tests: 7 is the viewer, an employer, and 9 the worker.

import type { ChatMessage } from "../../src/chat/wire";

/** A message, by default of 9 to 7. */
export function message(id: number, from_user_id = 9, to_user_id = 7, text = `message ${id}`): ChatMessage {
  const timestamp = new Date(Date.UTC(2026, 10, 20, 12, 0, id)).toISOString();
  return { id, from_user_id, to_user_id, message: text, timestamp, read: false };
}
