// What is said of PayChain's events, and to whom: a pure table from an event and a viewer to a toast or nothing.
// How toasts are joined, counted and shown is in stack.ts and toasts.tsx. Data comes from the wire, so nothing is believed.

import type { FanfareEvent } from "@fanfare/client";

/** Who looks at the page; as in the token's claims. */
export interface Viewer {
  readonly user_id: number | string;
  /** `employer`, `worker`, or another. */
  readonly user_type: string;
}

/** A toast: one line of what, one of who or how much. All texts are shown as text, never as HTML. */
export interface EventToast {
  /** An emoji or another short sign; screen readers skip it. */
  readonly icon: string;
  /** What happened. */
  readonly title: string;
  /** How much: "$450.00", or "Nothing was paid". Never cut. */
  readonly amount?: string;
  /** Who or what it is about; cut by the style sheet where it is too long. */
  readonly subject?: string;
  /** What it is about. Toasts with the same key within two seconds become one. */
  readonly key?: string;
  /** Which one's icon and title stand when toasts are joined: the higher one's, the later one's if they are equal. Default: 0. */
  readonly rank?: number;
  /** The word for several of its kind: "jobs" in "4 more jobs". Default: that of the labels. */
  readonly plural?: string;
  /** Is not shown by itself: only adds what it knows to another toast with the same key. */
  readonly onlyJoined?: boolean;
}

/** Gives the toast for an event, or null where the viewer needs none. */
export type Describe = (event: FanfareEvent, viewer: Viewer) => EventToast | null;

const USD = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });

/**
 * The toasts of PayChain's events. A worker hears of new jobs, and of the jobs and payments that are theirs; an employer of
 * their own jobs and payments. All else gives null, and so does data of another shape.
 */
export const describeEvent: Describe = (event, viewer) => {
  const data = event.data;
  if (typeof data !== "object" || data === null) return null;
  const member = (name: string): unknown => (data as Record<string, unknown>)[name];

  const role = roleOf(viewer, member("employer_id"), member("worker_id"));
  const about = {
    ...optional("key", idText(member("job_id"))),
    ...optional("subject", text(member("title"))),
    ...optional("amount", money(member("amount_usd") ?? member("pay_amount_usd"))),
  };
  const job = (icon: string, title: string): EventToast | null =>
    about.subject === undefined ? null : { icon, title, ...about, rank: 2, plural: "jobs" };
  const payment = (icon: string, title: string): EventToast | null =>
    about.amount === undefined ? null : { icon, title, ...about, rank: 1, plural: "payments" };

  switch (event.type) {
    case "job_created": {
      if (viewer.user_type === "worker") return job("💼", "New job");
      // Whose job it is, only the payment that is held for it tells.
      const posted = viewer.user_type === "employer" ? job("💼", "Job posted") : null;
      return posted && { ...posted, onlyJoined: true };
    }
    case "job_accepted":
      if (role === "employer") return job("🎉", "Your job was accepted");
      return role === "worker" ? job("🎉", "You accepted a job") : null;
    case "job_completed": {
      if (role === "employer") return job("🎊", "You completed a job");
      if (role !== "worker") return null;
      if (member("payment_released") === true) return job("🎊", "You were paid");
      // The payment's own event says more, if it comes.
      const approved = job("🎊", "Your work was approved");
      return approved && { ...approved, rank: 0 };
    }
    case "job_refunded": {
      const expired = member("reason") === "expired";
      if (role === "employer") {
        return job("🔄", expired ? "Job expired, money returned" : "Job cancelled, money returned");
      }
      if (role !== "worker") return null;
      const over = job("🔄", expired ? "A job you accepted expired" : "A job you accepted was cancelled");
      // The sum that the payment's event knows is the employer's again: beside this title it would read as earned.
      return over && { ...over, amount: "Nothing was paid" };
    }
    case "payment_held":
      if (role === "employer") return payment("💰", "Payment held");
      return role === "worker" ? payment("💰", "Payment held for you") : null;
    case "payment_confirmed":
      if (role === "employer") return payment("💰", "Payment released");
      return role === "worker" ? payment("💰", "You were paid") : null;
    case "payment_refunded":
      if (role === "employer") return payment("🔄", "Money returned to you");
      return role === "worker" ? payment("🔄", "Payment returned to the employer") : null;
    default:
      return null;
  }
};

/** Which party of an event the viewer is. An id that is null is nobody's. */
function roleOf(viewer: Viewer, employer: unknown, worker: unknown): "employer" | "worker" | null {
  const me = String(viewer.user_id);
  if (idText(employer) === me) return "employer";
  return idText(worker) === me ? "worker" : null;
}

function idText(value: unknown): string | undefined {
  return typeof value === "number" || typeof value === "string" ? String(value) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

function money(value: unknown): string | undefined {
  return typeof value === "number" && Number.isFinite(value) ? USD.format(value) : undefined;
}

function optional<K extends string>(name: K, value: string | undefined): { [N in K]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { [N in K]: string });
}
