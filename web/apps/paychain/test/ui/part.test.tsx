// Parts that are loaded later, while the server comes and goes.

import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { Suspense } from "react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FailureBoundary, part } from "../../src/ui";

beforeEach(() => {
  vi.useFakeTimers();
  // React tells of what a boundary catches.
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A part whose file can't be had `failures` times. */
function flaky(failures: number) {
  const asked = vi.fn();
  const Wallet = part(async () => {
    asked();
    if (asked.mock.calls.length <= failures)
      throw new TypeError("Failed to fetch dynamically imported module");
    return ({ name }: { name: string }) => <p>Wallet of {name}</p>;
  });
  return { asked, Wallet };
}

const passed = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

describe("a part of the app", () => {
  test("is loaded when it is shown, once", async () => {
    const { asked, Wallet } = flaky(0);
    expect(asked).not.toHaveBeenCalled();
    const both = (
      <Suspense fallback="Loading">
        <Wallet name="Erin" />
        <Wallet name="Wanda" />
      </Suspense>
    );
    await act(async () => render(both));
    expect(screen.getByText("Wallet of Erin")).toBeTruthy();
    expect(screen.getByText("Wallet of Wanda")).toBeTruthy();
    expect(asked).toHaveBeenCalledTimes(1);
  });

  test("that can't be loaded ahead of time is asked for again when it is shown", async () => {
    const { asked, Wallet } = flaky(1);
    await act(async () => Wallet.preload());
    await act(async () =>
      render(
        <Suspense>
          <Wallet name="Erin" />
        </Suspense>,
      ),
    );
    expect(screen.getByText("Wallet of Erin")).toBeTruthy();
    expect(asked).toHaveBeenCalledTimes(2);
  });

  test("that can't be loaded is told in words, and comes by itself once it can", async () => {
    const { asked, Wallet } = flaky(2);
    await act(async () =>
      render(
        <FailureBoundary page="/wallet">
          <Suspense>
            <Wallet name="Erin" />
          </Suspense>
        </FailureBoundary>,
      ),
    );
    expect(screen.getByRole("alert").textContent).toContain("This page could not be loaded");
    await passed(1_000);
    expect(asked).toHaveBeenCalledTimes(2);
    expect(screen.getByRole("alert")).toBeTruthy();
    await passed(2_000);
    expect(screen.getByText("Wallet of Erin")).toBeTruthy();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  test("comes at once by the button, and when the network is back", async () => {
    for (const impulse of [
      () => fireEvent.click(screen.getByRole("button", { name: "Try now" })),
      () => window.dispatchEvent(new Event("online")),
    ]) {
      const { Wallet } = flaky(1);
      await act(async () =>
        render(
          <FailureBoundary>
            <Suspense>
              <Wallet name="Erin" />
            </Suspense>
          </FailureBoundary>,
        ),
      );
      await act(async () => void impulse());
      expect(screen.getByText("Wallet of Erin")).toBeTruthy();
      cleanup();
    }
  });

  test("leaves what is around it alone, with what stands in for it", async () => {
    const { Wallet } = flaky(1);
    await act(async () =>
      render(
        <>
          <p>The page</p>
          <FailureBoundary fallback={<p>Erin Vale</p>}>
            <Suspense>
              <Wallet name="Erin" />
            </Suspense>
          </FailureBoundary>
        </>,
      ),
    );
    expect(screen.getByText("The page")).toBeTruthy();
    expect(screen.getByText("Erin Vale")).toBeTruthy();
    await passed(1_000);
    expect(screen.getByText("Wallet of Erin")).toBeTruthy();
  });
});

test("a page whose code throws says so and is not tried again by itself", async () => {
  const Broken = vi.fn(() => {
    throw new RangeError("out of range");
  });
  const page = (path: string, shown: React.ReactNode) => (
    <FailureBoundary page={path}>{shown}</FailureBoundary>
  );
  const { rerender } = render(page("/jobs", <Broken />));
  const calls = Broken.mock.calls.length;
  expect(screen.getByRole("alert").textContent).toContain("This page could not be shown");
  await passed(60_000);
  expect(Broken).toHaveBeenCalledTimes(calls);
  rerender(page("/wallet", <p>Another page</p>));
  expect(screen.getByText("Another page")).toBeTruthy();
});
