// What is said of each event, to each viewer whom it could reach.

import type { EventMap, EventType } from "@fanfare/events";
import { describe, expect, it } from "vitest";
import { describeEvent, type EventToast, type Viewer } from "../src/toasts/index.js";
import { join } from "../src/toasts/stack.js";

const EMPLOYER = 7;
const WORKER = 9;
const job = { job_id: 41, title: "Landing page", employer_id: EMPLOYER, worker_id: WORKER };
const payment = { payment_id: 3, job_id: 41, amount_usd: 450, employer_id: EMPLOYER, worker_id: WORKER };

const changed = { id: 1, notification_id: 1, unread_count: 0, timestamp: "2025-11-01T12:00:00.000Z" };
const notification = {
  id: 1,
  user_id: WORKER,
  type: "job_accepted",
  category: "jobs",
  title: "Your job was accepted",
  message: "Landing page",
  data: {},
  priority: "normal" as const,
  is_read: false,
  read_at: null,
  created_at: "2025-11-01T12:00:00.000Z",
  expires_at: null,
  unread_count: 1,
  timestamp: "2025-11-01T12:00:00.000Z",
};

const events = {
  job_created: { job_id: 41, title: "Landing page", pay_amount_usd: 450, job_type: "design" },
  job_accepted: job,
  job_completed: { ...job, payment_released: true },
  job_refunded: { ...job, reason: "expired" },
  payment_held: { ...payment, status: "held" },
  payment_confirmed: { ...payment, status: "released" },
  payment_refunded: { ...payment, status: "refunded" },
  user_registered: { user_id: EMPLOYER, user_type: "employer" },
  user_logged_in: { user_id: EMPLOYER, user_type: "employer" },
  user_logged_out: { user_id: EMPLOYER, user_type: "employer" },
  session_revoked: { user_id: EMPLOYER, user_type: "employer" },
  message_received: {
    id: 1,
    from_user_id: WORKER,
    to_user_id: EMPLOYER,
    message: "hi",
    timestamp: "2025-11-01T12:00:00.000Z",
  },
  user_typing: { user_id: WORKER, is_typing: true },
  message_read: { message_id: 1, user_id: WORKER, timestamp: "2025-11-01T12:00:00.000Z" },
  notification: { ...notification, sound: true },
  notification_read: changed,
  notification_deleted: changed,
  notification_unread: changed,
  notification_restored: notification,
} satisfies EventMap;

const viewers = {
  "its employer": { user_id: EMPLOYER, user_type: "employer" },
  "its worker": { user_id: WORKER, user_type: "worker" },
  "another employer": { user_id: 70, user_type: "employer" },
  "another worker": { user_id: 90, user_type: "worker" },
  "an auditor": { user_id: 99, user_type: "auditor" },
} satisfies Record<string, Viewer>;

type Who = keyof typeof viewers;

function toast(type: string, data: unknown, viewer: Viewer): EventToast | null {
  return describeEvent({ type, data, timestamp: "2025-11-01T12:00:00.000Z" }, viewer);
}

/** A toast in one line: icon, title | amount | subject. */
function line(found: EventToast | null): string | null {
  if (found === null) return null;
  const parts = [`${found.icon} ${found.title}`, found.amount, found.subject].filter((part) => part);
  return parts.join(" | ") + (found.onlyJoined ? " (joined only)" : "");
}

const NOTHING = {
  "its employer": null,
  "its worker": null,
  "another employer": null,
  "another worker": null,
  "an auditor": null,
};
const NEW_JOB = "💼 New job | $450.00 | Landing page";
const POSTED = "💼 Job posted | $450.00 | Landing page (joined only)";

const table: Record<EventType, Record<Who, string | null>> = {
  // Whose job it is, the event does not say: every employer gets what only joins a payment of their own.
  job_created: {
    "its employer": POSTED,
    "another employer": POSTED,
    "its worker": NEW_JOB,
    "another worker": NEW_JOB,
    "an auditor": null,
  },
  job_accepted: {
    ...NOTHING,
    "its employer": "🎉 Your job was accepted | Landing page",
    "its worker": "🎉 You accepted a job | Landing page",
  },
  job_completed: {
    ...NOTHING,
    "its employer": "🎊 You completed a job | Landing page",
    "its worker": "🎊 You were paid | Landing page",
  },
  job_refunded: {
    ...NOTHING,
    "its employer": "🔄 Job expired, money returned | Landing page",
    "its worker": "🔄 A job you accepted expired | Nothing was paid | Landing page",
  },
  payment_held: {
    ...NOTHING,
    "its employer": "💰 Payment held | $450.00",
    "its worker": "💰 Payment held for you | $450.00",
  },
  payment_confirmed: {
    ...NOTHING,
    "its employer": "💰 Payment released | $450.00",
    "its worker": "💰 You were paid | $450.00",
  },
  payment_refunded: {
    ...NOTHING,
    "its employer": "🔄 Money returned to you | $450.00",
    "its worker": "🔄 Payment returned to the employer | $450.00",
  },
  user_registered: NOTHING,
  user_logged_in: NOTHING,
  user_logged_out: NOTHING,
  session_revoked: NOTHING,
  message_received: NOTHING,
  user_typing: NOTHING,
  message_read: NOTHING,
  notification: NOTHING,
  notification_read: NOTHING,
  notification_deleted: NOTHING,
  notification_unread: NOTHING,
  notification_restored: NOTHING,
};

describe.each(Object.entries(table))("%s", (type, row) => {
  it.each(Object.entries(row))("to %s", (who, expected) => {
    expect(line(toast(type, events[type as EventType], viewers[who as Who]))).toBe(expected);
  });
});

describe("the words", () => {
  const employer = viewers["its employer"];
  const worker = viewers["its worker"];

  it("tell a cancelled job from an expired one", () => {
    const data = { ...events.job_refunded, reason: "cancelled" };
    expect(toast("job_refunded", data, employer)?.title).toBe("Job cancelled, money returned");
    expect(toast("job_refunded", data, worker)?.title).toBe("A job you accepted was cancelled");
  });

  it("show a worker no money with a job that is over, whichever event comes first", () => {
    const over = toast("job_refunded", events.job_refunded, worker);
    const returned = toast("payment_refunded", events.payment_refunded, worker);
    if (over === null || returned === null) throw new Error("a toast is missing");
    const expected = "🔄 A job you accepted expired | Nothing was paid | Landing page";
    expect([join(over, returned), join(returned, over)].map(line)).toEqual([expected, expected]);
  });

  it("do not say paid before the money is there", () => {
    const data = { ...events.job_completed, payment_released: false };
    expect(toast("job_completed", data, worker)?.title).toBe("Your work was approved");
  });

  it.each([
    [0.01, "$0.01"],
    [5_000, "$5,000.00"],
    [1_000_000_000, "$1,000,000,000.00"],
  ])("write %d as %s", (amount_usd, expected) => {
    expect(toast("payment_held", { ...events.payment_held, amount_usd }, employer)?.amount).toBe(expected);
  });

  it("leave a title as it was written", () => {
    const title = '  <img src=x onerror="alert(1)"> & more ';
    expect(toast("job_accepted", { ...job, title }, employer)?.subject).toBe(title);
  });
});

describe("who is who", () => {
  it("an id is the same as a number and as text", () => {
    expect(toast("job_accepted", job, { user_id: "7", user_type: "employer" })).not.toBeNull();
    expect(toast("job_accepted", { ...job, employer_id: "7" }, viewers["its employer"])).not.toBeNull();
  });

  it("a party that is null is nobody", () => {
    const data = { ...events.job_refunded, worker_id: null };
    expect(toast("job_refunded", data, { user_id: "null", user_type: "worker" })).toBeNull();
  });
});

it.each([null, undefined, 7, "text", [], {}, { title: 5, employer_id: EMPLOYER }, { ...job, title: " " }])(
  "data of another shape is no toast and no error: %j",
  (data) => {
    for (const type of Object.keys(events)) {
      for (const viewer of Object.values(viewers)) expect(toast(type, data, viewer)).toBeNull();
    }
  },
);

it("two events of one action name the same thing", () => {
  const worker = viewers["its worker"];
  const keys = ["job_completed", "payment_confirmed"].map(
    (type) => toast(type, events[type as EventType], worker)?.key,
  );
  expect(keys).toEqual(["41", "41"]);
});
