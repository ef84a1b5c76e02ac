// Toasts with sonner behind them and their looks, as a file of their own that is loaded after the first page. Besides PayChain's
// events they tell of notifications, but of none twice: what the event itself has a toast for needs no second one. What the user
// does not want to hear of in the app has none at all.

import "@fanfare/react/toasts.css";
import { type Describe, describeEvent, EventToasts, type EventToastsProps } from "@fanfare/react/toasts";
import { isPanelOpen, isWanted } from "../inbox/attention";

/** Notifications of these are made of events that have toasts of their own, or that the user caused in this window. */
const SAID = /^(job|payment)_/;

/** The category of the notifications that are made of an event; undefined if none are. */
function categoryOf(type: string): string | undefined {
  if (type.startsWith("payment_")) return "payments";
  return type.startsWith("job_") && type !== "job_created" ? "jobs" : undefined;
}

/** The toasts of PayChain's events, and of notifications that no such event tells of. */
export const describe: Describe = (event, viewer) => {
  if (event.type !== "notification") {
    const category = categoryOf(event.type);
    return category === undefined || isWanted(category) ? describeEvent(event, viewer) : null;
  }
  const { id, type, title, message } = (event.data ?? {}) as Record<string, unknown>;
  if (typeof title !== "string" || isPanelOpen() || (typeof type === "string" && SAID.test(type)))
    return null;
  return {
    icon: "🔔",
    title,
    ...(typeof message === "string" && message !== "" ? { subject: message.replaceAll(/\s+/g, " ") } : {}),
    key: `notification ${id}`,
    plural: "notifications",
  };
};

/** PayChain's toasts. */
export function Toasts(props: EventToastsProps) {
  return <EventToasts {...props} describe={describe} />;
}
