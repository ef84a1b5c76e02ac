// The connection's state as a person reads or hears it.

import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConnectionIndicator } from "../src/index.js";
import { createHub, reason, trying, waiting } from "./hub.js";

const NOON = new Date(2025, 10, 1, 14, 3, 7).getTime();

beforeEach(() => {
  vi.useFakeTimers({ now: NOON });
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** All that is written, as it reads. */
function written(container: HTMLElement): string {
  return container.querySelector(".fanfare-indicator-text")?.textContent?.trim() ?? "";
}

const advance = (ms: number) => act(async () => vi.advanceTimersByTime(ms));

function hide(hidden: boolean) {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(hidden ? "hidden" : "visible");
  return act(async () => document.dispatchEvent(new Event("visibilitychange")));
}

describe("the words", () => {
  it("are a status that says Connecting, then Live", async () => {
    const hub = createHub();
    const { container } = render(<ConnectionIndicator />, { wrapper: hub.wrapper });
    const status = screen.getByRole("status");
    expect(status.textContent).toBe("Connecting");
    await hub.open();
    expect(screen.getByRole("status")).toBe(status);
    expect(status.textContent).toBe("Live");
    expect(container.querySelector(".fanfare-indicator")?.getAttribute("data-state")).toBe("live");
    expect(screen.queryByRole("button")).toBeNull();
  });

  it("tell since when there is no network, without a button", async () => {
    const hub = createHub();
    render(<ConnectionIndicator />, { wrapper: hub.wrapper });
    await hub.become({
      status: "reconnecting",
      attempt: 1,
      waiting: "network",
      retryAt: null,
      since: NOON,
      reason: reason("offline"),
    });
    expect(screen.getByRole("status").textContent).toBe("Offline since 14:03");
    expect(screen.queryByRole("button")).toBeNull();
  });

  it("say Signed out without a button, and otherwise why it ended with one", async () => {
    const hub = createHub();
    render(<ConnectionIndicator />, { wrapper: hub.wrapper });
    await hub.become({ status: "closed", since: NOON, reason: reason("unauthorized", "No token.") });
    expect(screen.getByRole("status").textContent).toBe("Signed out");
    expect(screen.queryByRole("button")).toBeNull();

    await hub.become({ status: "closed", since: NOON, reason: reason("attempts", "Gave up.") });
    expect(screen.getByRole("status").textContent).toBe("Gave up.");
    const starts = hub.calls.start;
    fireEvent.click(screen.getByRole("button", { name: "Connect" }));
    expect(hub.calls.start).toBe(starts + 1);
  });

  it.each(["invalid_url", "insecure", "no_websocket"] as const)(
    "offer no button where connecting again cannot help: %s",
    async (code) => {
      const hub = createHub();
      render(<ConnectionIndicator />, { wrapper: hub.wrapper });
      await hub.become({ status: "closed", since: NOON, reason: reason(code, "This is why.") });
      expect(screen.getByRole("status").textContent).toBe("This is why.");
      expect(screen.queryByRole("button")).toBeNull();
    },
  );

  it("can be replaced one by one", async () => {
    const hub = createHub();
    const labels = { reconnecting: "Neuer Versuch", inSeconds: (s: number) => `in ${s} Sekunden` };
    const { container } = render(<ConnectionIndicator labels={labels} className="bar" />, {
      wrapper: hub.wrapper,
    });
    await hub.become(waiting(NOON + 4_000));
    expect(written(container)).toBe("Neuer Versuch in 4 Sekunden");
    expect(screen.getByRole("button").textContent).toBe("Try now");
    expect(container.firstElementChild?.className).toBe("fanfare-indicator bar");
  });
});

describe("the countdown", () => {
  it("counts each second, down to 1, and announces none of them", async () => {
    const hub = createHub();
    const { container } = render(<ConnectionIndicator />, { wrapper: hub.wrapper });
    await hub.become(waiting(NOON + 3_400));
    const seen = [written(container)];
    for (let step = 0; step < 4; step += 1) {
      await advance(step === 0 ? 400 : 1_000);
      seen.push(written(container));
    }
    expect(seen).toEqual([
      "Reconnecting in 4 s",
      "Reconnecting in 3 s",
      "Reconnecting in 2 s",
      "Reconnecting in 1 s",
      "Reconnecting in 1 s",
    ]);
    expect(screen.getByRole("status").textContent).toBe("Reconnecting");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("stands still while the page is hidden, and is right when it is shown again", async () => {
    const hub = createHub();
    const { container } = render(<ConnectionIndicator />, { wrapper: hub.wrapper });
    await hub.become(waiting(NOON + 20_000));
    await hide(true);
    expect(vi.getTimerCount()).toBe(0);
    await advance(12_500);
    expect(written(container)).toBe("Reconnecting in 20 s");
    await hide(false);
    expect(written(container)).toBe("Reconnecting in 8 s");
  });

  it("ends with the component", async () => {
    const hub = createHub();
    const { unmount } = render(<ConnectionIndicator />, { wrapper: hub.wrapper });
    await hub.become(waiting(NOON + 20_000));
    unmount();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("Try now", () => {
  it("connects at once, keeps its place while that is tried, and hands the focus over when it goes", async () => {
    const hub = createHub();
    const { container } = render(<ConnectionIndicator />, { wrapper: hub.wrapper });
    await hub.become(waiting(NOON + 16_000));
    const button = screen.getByRole("button", { name: "Try now" });
    button.focus();
    const starts = hub.calls.start;
    fireEvent.click(button);
    expect(hub.calls.start).toBe(starts + 1);

    await hub.become(trying());
    expect(written(container)).toBe("Reconnecting");
    expect(screen.getByRole("button")).toBe(button);
    expect(button.getAttribute("aria-disabled")).toBe("true");
    fireEvent.click(button);
    expect(hub.calls.start).toBe(starts + 1);

    await hub.open();
    expect(screen.queryByRole("button")).toBeNull();
    expect(document.activeElement).toBe(container.firstElementChild);
  });
});

it("an event does not render it", async () => {
  const hub = createHub();
  const live = vi.fn(() => "Live");
  const labels = {
    get live() {
      return live();
    },
  };
  render(<ConnectionIndicator labels={labels} />, { wrapper: hub.wrapper });
  await hub.open();
  const before = live.mock.calls.length;
  await hub.events(["job_created", {}], ["job_accepted", {}]);
  expect(live).toHaveBeenCalledTimes(before);
});
