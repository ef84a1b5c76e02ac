// The outbox of an account in this window: one for each connection, whatever panels come and go.

import type { Client } from "@fanfare/client";
import type { QueryClient } from "@tanstack/react-query";
import type { Api } from "../api/client";
import { Outbox } from "./outbox";
import { latestOf, putMessage } from "./pages";

const outboxes = new WeakMap<object, Outbox>();

/** The outbox of the account that a client connects. */
export function outboxOf<Events>(client: Client<Events>, api: Api, me: number, queries: QueryClient): Outbox {
  const known = outboxes.get(client);
  if (known) return known;
  const outbox = new Outbox({
    client,
    api,
    me,
    stored: (message) => putMessage(queries, message.to_user_id, message),
    loaded: ({ items }) => {
      for (const message of items) {
        const { from_user_id, to_user_id } = message;
        putMessage(queries, String(from_user_id) === String(me) ? to_user_id : from_user_id, message);
      }
    },
    latest: (peer) => latestOf(queries, peer),
    now: () => Date.now(),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  });
  outboxes.set(client, outbox);
  return outbox;
}
