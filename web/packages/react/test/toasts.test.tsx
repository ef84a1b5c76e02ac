// Toasts on the real sonner: what is in the page, for whom, how many, and what pointer and keyboard do.

import { act, cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { StrictMode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createOwnActions, describeEvent, EventToasts, type EventToastsProps } from "../src/toasts/index.js";
import { createHub, type Hub } from "./hub.js";

const WORKER = { user_id: 9, user_type: "worker" };
const EMPLOYER = { user_id: 7, user_type: "employer" };

let hub: Hub;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  hub = createHub();
});
afterEach(async () => {
  cleanup();
  await vi.runAllTimersAsync();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets sonner draw, or time pass. In small steps, since timers set timers. */
async function advance(ms = 50) {
  for (let left = ms; left > 0; left -= 50) {
    await act(() => vi.advanceTimersByTimeAsync(Math.min(50, left)));
  }
}

function start(props: Partial<EventToastsProps> = {}) {
  return render(<EventToasts viewer={WORKER} {...props} />, { wrapper: hub.wrapper });
}

/** The toasts that are there and not just going, the newest first. */
function toasts(): HTMLElement[] {
  return screen.queryAllByRole("listitem").filter((item) => item.dataset.removed !== "true");
}
/** What a screen reader reads of them: without the icon and the close button. */
function texts(): string[] {
  return toasts().map((item) =>
    [...item.querySelectorAll(".fanfare-toast-title, .fanfare-toast-detail")]
      .map((part) => part.textContent)
      .join(" | "),
  );
}

function job(number: number, title = `Job ${number}`): [string, unknown] {
  return ["job_created", { job_id: number, title, pay_amount_usd: 450, job_type: "design" }];
}

describe("a toast", () => {
  it("says what and how much in a polite region, and goes after 5 seconds", async () => {
    start();
    const region = screen.getByRole("region", { name: "Notifications, Alt+T" });
    expect(region.getAttribute("aria-live")).toBe("polite");
    await hub.events(job(1));
    await advance();
    expect(texts()).toEqual(["New job | $450.00 · Job 1"]);
    const icon = within(region).getByText("💼");
    expect(icon.getAttribute("aria-hidden")).toBe("true");
    await advance(5_000);
    expect(texts()).toEqual([]);
    await advance(500);
    expect(screen.queryAllByRole("listitem")).toEqual([]);
  });

  it("fits the viewer, and is not there for who is none", async () => {
    const { rerender } = start({ viewer: EMPLOYER });
    const completed: [string, unknown] = [
      "job_completed",
      { job_id: 1, title: "Landing page", employer_id: 70, worker_id: 9, payment_released: true },
    ];
    await hub.events(completed, job(1));
    await advance();
    expect(texts()).toEqual([]);
    rerender(<EventToasts viewer={WORKER} />);
    await hub.events(completed);
    await advance();
    expect(texts()).toEqual(["You were paid | Landing page"]);
    rerender(<EventToasts viewer={null} />);
    await hub.events(completed);
    await advance(500);
    expect(texts()).toEqual([]);
  });

  it("comes once for an event that comes twice, and for one that was missed and comes later", async () => {
    start();
    const event = (id: string, number: number) => {
      const [type, data] = job(number);
      return { type, data, timestamp: "2025-11-01T12:00:00.000Z", id };
    };
    await hub.frame(event("a", 1));
    await advance(5_500);
    expect(texts()).toEqual([]);
    await hub.frame(event("a", 1));
    await advance();
    expect(texts()).toEqual([]);
    await hub.frame(event("b", 2));
    await advance();
    expect(texts()).toEqual(["New job | $450.00 · Job 2"]);
  });

  it("is text, whatever the title holds", async () => {
    start();
    const title = '<img src=x onerror="window.hurt = true"><b>bold</b>';
    await hub.events(job(1, title));
    await advance();
    const [toast] = toasts();
    expect(toast?.querySelector("img, b")).toBeNull();
    expect(toast?.textContent).toContain(title);
  });

  it("is one for two events of one action", async () => {
    start();
    const parties = { job_id: 1, employer_id: 7, worker_id: 9 };
    await hub.events(
      ["payment_confirmed", { ...parties, payment_id: 3, amount_usd: 450, status: "released" }],
      ["job_completed", { ...parties, title: "Landing page", payment_released: true }],
    );
    await advance();
    expect(texts()).toEqual(["You were paid | $450.00 · Landing page"]);
  });

  it("comes once under StrictMode", async () => {
    render(
      <StrictMode>
        <EventToasts viewer={WORKER} />
      </StrictMode>,
      { wrapper: hub.wrapper },
    );
    await hub.events(job(1));
    await advance();
    expect(texts()).toHaveLength(1);
  });

  it("does not outlive its component, nor the viewer whom it was for", async () => {
    const { unmount, rerender } = start();
    await hub.events(job(1));
    await advance();
    rerender(<EventToasts viewer={{ ...WORKER }} />);
    await advance(500);
    expect(texts()).toHaveLength(1);
    rerender(<EventToasts viewer={{ user_id: 10, user_type: "worker" }} />);
    await advance(500);
    expect(texts()).toEqual([]);
    unmount();
    await hub.events(job(2));
    start();
    await advance();
    expect(texts()).toEqual([]);
  });
});

describe("50 events in a second", () => {
  it("never make more than three toasts, and the last one counts", async () => {
    start();
    let most = 0;
    for (let n = 1; n <= 50; n += 1) {
      await hub.events(job(n));
      await advance(20);
      most = Math.max(most, screen.queryAllByRole("listitem").length);
    }
    expect(most).toBe(3);
    await advance(500);
    expect(texts()).toEqual([
      "48 more jobs | Latest: Job 50",
      "New job | $450.00 · Job 2",
      "New job | $450.00 · Job 1",
    ]);
  });

  it("in one turn too", async () => {
    start();
    await hub.events(...Array.from({ length: 50 }, (_, n) => job(n + 1)));
    await advance(600);
    expect(texts()[0]).toBe("48 more jobs | Latest: Job 50");
    expect(screen.queryAllByRole("listitem")).toHaveLength(3);
  });
});

describe("time stops", () => {
  it("under the pointer", async () => {
    start();
    const region = screen.getByRole("region");
    await hub.events(job(1));
    await advance(2_000);
    fireEvent.pointerEnter(region);
    await advance(20_000);
    expect(texts()).toHaveLength(1);
    fireEvent.pointerLeave(region);
    await advance(3_100);
    expect(texts()).toHaveLength(0);
  });

  it("with the keyboard's focus", async () => {
    start();
    await hub.events(job(1));
    await advance(100);
    toasts()[0]?.focus();
    await advance(20_000);
    expect(texts()).toHaveLength(1);
    toasts()[0]?.blur();
    await advance(5_100);
    expect(texts()).toHaveLength(0);
  });

  it("while the page is hidden", async () => {
    start();
    const state = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
    document.dispatchEvent(new Event("visibilitychange"));
    await hub.events(job(1));
    await advance(20_000);
    expect(texts()).toHaveLength(1);
    state.mockReturnValue("visible");
    document.dispatchEvent(new Event("visibilitychange"));
    await advance(5_100);
    expect(texts()).toHaveLength(0);
  });
});

describe("closing", () => {
  it("by the button", async () => {
    start();
    await hub.events(job(1));
    await advance();
    fireEvent.click(screen.getByRole("button", { name: "Close" }), { detail: 1 });
    await advance(500);
    expect(texts()).toEqual([]);
  });

  it("by the button makes room for another one", async () => {
    start();
    await hub.events(job(1), job(2), job(3));
    await advance();
    fireEvent.click(screen.getAllByRole("button", { name: "Close" })[0] as HTMLElement, { detail: 1 });
    await advance(500);
    await hub.events(job(4));
    await advance();
    expect(texts()).toEqual([4, 2, 1].map((n) => `New job | $450.00 · Job ${n}`));
  });

  it("by Escape closes the toast that has the focus and goes to the next, at last to where it came from", async () => {
    const page = render(
      <>
        <button type="button">Before</button>
        <EventToasts viewer={WORKER} />
      </>,
      { wrapper: hub.wrapper },
    );
    await hub.events(job(1), job(2));
    await advance(100);
    const before = page.getByText("Before");
    before.focus();
    toasts()[0]?.focus();
    fireEvent.keyDown(document.activeElement ?? document, { key: "Escape", code: "Escape" });
    await advance(500);
    expect(texts()).toEqual(["New job | $450.00 · Job 1"]);
    expect(document.activeElement).toBe(toasts()[0]);
    fireEvent.keyDown(document.activeElement ?? document, { key: "Escape", code: "Escape" });
    await advance(500);
    expect(texts()).toEqual([]);
    expect(document.activeElement).toBe(before);
  });

  it("by the button with the keyboard takes the focus to the next", async () => {
    start();
    await hub.events(job(1), job(2));
    await advance(100);
    const [first] = toasts();
    const close = within(first as HTMLElement).getByRole("button");
    close.focus();
    fireEvent.click(close, { detail: 0 });
    await advance(500);
    expect(texts()).toHaveLength(1);
    expect(document.activeElement).toBe(toasts()[0]);
  });
});

describe("what is left out", () => {
  it("is what the user does here, while another window shows it", async () => {
    const own = createOwnActions();
    start({ viewer: EMPLOYER, own });
    const posted = own.during(
      "post",
      async () => 5,
      (id) => id,
    );
    const held = { payment_id: 1, amount_usd: 450, worker_id: null, employer_id: 7, status: "held" };
    await hub.events(["payment_held", { ...held, job_id: 5 }], job(5));
    await posted;
    await advance(500);
    expect(texts()).toEqual([]);

    await hub.events(job(6), ["payment_held", { ...held, job_id: 6 }]);
    await advance();
    expect(texts()).toEqual(["Job posted | $450.00 · Job 6"]);
  });

  it("is what the app suppresses", async () => {
    start({ suppress: (event) => event.type === "job_created" });
    await hub.events(job(1));
    await advance();
    expect(texts()).toEqual([]);
  });
});

it("texts and words can be the app's own", async () => {
  start({
    describe: (event, viewer) =>
      event.type === "notice" ? { icon: "📣", title: "Maintenance at 22:00" } : describeEvent(event, viewer),
    labels: { region: "Meldungen", close: "Schließen", more: (count) => `${count} weitere` },
  });
  expect(screen.getByRole("region", { name: "Meldungen" })).toBeTruthy();
  await hub.events(["notice", {}], job(1), ["notice", {}], ["notice", {}]);
  await advance();
  expect(texts()).toEqual(["2 weitere", "New job | $450.00 · Job 1", "Maintenance at 22:00"]);
  expect(screen.getAllByRole("button", { name: "Schließen" })).toHaveLength(3);
});

function Page({ rendered }: { rendered: () => void }) {
  rendered();
  return <EventToasts viewer={WORKER} />;
}

it("an event does not render the component around it", async () => {
  const rendered = vi.fn();
  render(<Page rendered={rendered} />, { wrapper: hub.wrapper });
  await hub.events(job(1), job(2));
  await advance(100);
  expect(texts()).toHaveLength(2);
  expect(rendered).toHaveBeenCalledTimes(1);
});
