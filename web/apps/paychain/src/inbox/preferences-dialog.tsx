// What reaches the user and how, as a dialog: from the bell's panel and from the account menu.

import "@fanfare/react/inbox.css";
import { useFanfare } from "@fanfare/react";
import { InboxProvider, NotificationPreferences } from "@fanfare/react/inbox";
import { useSession } from "../session";
import { Dialog } from "../ui";
import { inboxOf } from "./inboxes";

/** What PayChain tells of, whether or not it was ever told of it. */
const CATEGORIES = ["jobs", "payments"];

/** The dialog. It is open as long as it is there. */
export function PreferencesDialog({ onClose }: { onClose: () => void }) {
  const { tokens } = useSession();
  const inbox = inboxOf(useFanfare(), tokens);
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Notification settings"
      description="What you choose here holds on all of your devices."
    >
      <InboxProvider inbox={inbox}>
        <NotificationPreferences categories={CATEGORIES} locale="en" />
      </InboxProvider>
    </Dialog>
  );
}
