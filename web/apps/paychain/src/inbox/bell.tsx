// The bell of this window's account in the top bar: where its notifications lead, and the dialog for its preferences. What it looks
// like is @fanfare/react's part; what toasts say of notifications is live/toasts.ts.

import "@fanfare/react/inbox.css";
import type { Notification } from "@fanfare/inbox";
import { useFanfare } from "@fanfare/react";
import { Inbox, InboxProvider, useInboxStore, usePreferences } from "@fanfare/react/inbox";
import { useEffect, useState } from "react";
import { useSession } from "../session";
import { noteChoices, notePanel } from "./attention";
import { inboxOf } from "./inboxes";
import { PreferencesDialog } from "./preferences-dialog";

/** The bell. `isAsked`: it was pressed before it was there. */
export function Bell({ isAsked }: { isAsked: boolean }) {
  const { tokens } = useSession();
  const inbox = inboxOf(useFanfare(), tokens);
  const [isChoosing, setChoosing] = useState(false);
  return (
    <InboxProvider inbox={inbox}>
      <Inbox
        locale="en"
        defaultOpen={isAsked}
        hrefOf={addressOf}
        onOpenChange={notePanel}
        onPreferences={() => setChoosing(true)}
        // Toasts are read out too.
        announce={false}
      />
      <Choices />
      {isChoosing && <PreferencesDialog onClose={() => setChoosing(false)} />}
    </InboxProvider>
  );
}

/** What the user chose, for the toasts. */
function Choices() {
  const { preferences } = useInboxStore();
  const { value } = usePreferences();
  useEffect(() => void preferences.load(), [preferences]);
  useEffect(() => {
    noteChoices(value);
    return () => noteChoices(null);
  }, [value]);
  return null;
}

/** The job that a notification is about; undefined for one that opens in place. */
export function addressOf({ data }: Pick<Notification, "data">): string | undefined {
  const { job_id } = data;
  return /^\d{1,16}$/.test(String(job_id)) ? `#/jobs/${job_id}` : undefined;
}
