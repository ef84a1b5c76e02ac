// Whether the other is there: in any window, on any device. Nothing is said while this window itself has no connection.

import { watchPresence } from "@fanfare/client/presence";
import { useConnectionState, useFanfare } from "@fanfare/react";
import { useEffect, useState } from "react";
import { Badge } from "../ui";
import { onlineChannel } from "./live";
import { isSame, type PersonId } from "./person";

/** Whether somebody is there; null while that is not known. */
export function usePresence(peer: PersonId): boolean | null {
  const client = useFanfare();
  const { status } = useConnectionState();
  const [there, setThere] = useState<boolean | null>(null);
  useEffect(
    () =>
      watchPresence(client, onlineChannel(peer), ({ users }) => {
        // Anybody may follow the channel; only its owner is meant.
        setThere(users.some(({ user_id }) => isSame(user_id, peer)));
      }),
    [client, peer],
  );
  return status === "open" ? there : null;
}

/** The dot and its word. */
export function Presence({ peer }: { peer: PersonId }) {
  const there = usePresence(peer);
  if (there === null) return null;
  return <Badge tone={there ? "ok" : "neutral"}>{there ? "Online" : "Away"}</Badge>;
}
