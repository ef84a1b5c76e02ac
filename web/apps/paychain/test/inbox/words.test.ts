// What PayChain makes of notifications: where they lead, and which of them a toast tells of.

import type { FanfareEvent } from "@fanfare/client";
import { afterEach, describe, expect, it } from "vitest";
import { noteChoices, notePanel } from "../../src/inbox/attention";
import { addressOf } from "../../src/inbox/bell";
import { describe as describeToast } from "../../src/live/toasts";

const VIEWER = { user_id: 7, user_type: "employer" };

function event(type: string, data: unknown): FanfareEvent {
  return { type, data, timestamp: "2026-11-21T12:00:00.000Z" };
}

afterEach(() => {
  notePanel(false);
  noteChoices(null);
});

describe("where a notification leads", () => {
  it("to its job, whether its id is a number or a text", () => {
    expect(addressOf({ data: { job_id: 12 } })).toBe("#/jobs/12");
    expect(addressOf({ data: { job_id: "12" } })).toBe("#/jobs/12");
  });

  it("nowhere if it names no job, or something that is none", () => {
    for (const job_id of [undefined, null, "", "12/messages", "//elsewhere.test", -1, 1.5, {}, [1, 2]]) {
      expect(addressOf({ data: { job_id } })).toBeUndefined();
    }
  });
});

describe("which notifications have a toast", () => {
  it("those of events that have none of their own", () => {
    const toast = describeToast(
      event("notification", {
        id: 3,
        type: "oracle_upload_failed",
        title: "Your upload failed",
        message: "a\n b",
      }),
      VIEWER,
    );
    expect(toast).toEqual({
      icon: "🔔",
      title: "Your upload failed",
      subject: "a b",
      key: "notification 3",
      plural: "notifications",
    });
  });

  it("none that the toast of its event says already", () => {
    const job = { job_id: 3, title: "Landing page", employer_id: 7, worker_id: 9, pay_amount_usd: 450 };
    expect(describeToast(event("job_accepted", job), VIEWER)?.title).toBe("Your job was accepted");
    for (const type of ["job_accepted", "job_completed", "job_refunded", "payment_confirmed"]) {
      expect(describeToast(event("notification", { id: 3, type, title: "Again" }), VIEWER)).toBeNull();
    }
  });

  it("none while the panel shows them", () => {
    const news = event("notification", { id: 3, type: "note", title: "News" });
    notePanel(true);
    expect(describeToast(news, VIEWER)).toBeNull();
    notePanel(false);
    expect(describeToast(news, VIEWER)?.title).toBe("News");
  });

  it("none of what the user does not want to hear of in the app", () => {
    const on = { in_app: true, push: true, sound: true };
    const off = { ...on, in_app: false };
    const chosen = { default: on, quiet_hours: null, locale: null };
    const job = { job_id: 3, title: "Landing page", employer_id: 7, worker_id: 9, amount_usd: 450 };
    const toasts = () =>
      ["job_accepted", "payment_confirmed"].map((type) => describeToast(event(type, job), VIEWER)?.title);
    expect(toasts()).toEqual(["Your job was accepted", "Payment released"]);
    noteChoices({ ...chosen, categories: { jobs: off } });
    expect(toasts()).toEqual([undefined, "Payment released"]);
    noteChoices({ ...chosen, categories: { jobs: on }, default: off });
    expect(toasts()).toEqual(["Your job was accepted", undefined]);
    // New jobs are no notifications.
    const worker = { user_id: 9, user_type: "worker" };
    expect(describeToast(event("job_created", job), worker)?.title).toBe("New job");
  });

  it("none that is no notification", () => {
    for (const data of [null, 3, "text", [], { id: 3 }, { title: 3 }]) {
      expect(describeToast(event("notification", data), VIEWER)).toBeNull();
    }
    expect(describeToast(event("notification_read", { id: 3, title: "Read" }), VIEWER)).toBeNull();
  });
});
