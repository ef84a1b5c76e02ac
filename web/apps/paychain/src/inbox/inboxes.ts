// The inbox of an account in this window: one for each connection, whoever shows it. What it does is @fanfare/inbox's part.

import type { Client } from "@fanfare/client";
import { createInbox, type Inbox, liveFromClient } from "@fanfare/inbox";
import type { AccessTokens } from "../api/client";
import { SignedOut } from "../api/problem";

const inboxes = new WeakMap<object, Inbox>();

/** The inbox of the account that a client connects. */
export function inboxOf<Events>(client: Client<Events>, tokens: AccessTokens): Inbox {
  const known = inboxes.get(client);
  if (known) return known;
  const inbox = createInbox({
    live: liveFromClient(client),
    getToken: async (request) => {
      try {
        const token = await tokens.get();
        return request === "unauthorized" ? await tokens.renew(token) : token;
      } catch (error) {
        // The page says so by itself.
        if (error instanceof SignedOut) return null;
        throw error;
      }
    },
  });
  inboxes.set(client, inbox);
  return inbox;
}
