// The bell and its panel over the real inbox: what they show, what they do, and what a notification renders.

import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { Inbox, InboxProvider, useInbox } from "../src/inbox/index.js";
import { openService, type Service, sample, show } from "./inbox-service.js";

const bell = () => screen.getByRole("button", { name: /^Notifications/ });
const panel = () => screen.getByRole("dialog", { name: "Notifications" });
const rows = () => within(panel()).getAllByRole("listitem");
const openers = () => rows().map((row) => within(row).getAllByRole("button")[0] as HTMLElement);
const titles = () => rows().map((row) => row.querySelector("bdi")?.textContent);

async function openPanel(service: Service, props: Parameters<typeof Inbox>[0] = {}) {
  const view = show(service, <Inbox locale="en" alerts={false} {...props} />);
  fireEvent.click(bell());
  if (service.list.length > 0) await within(panel()).findAllByRole("listitem");
  return view;
}

const count = (words: string) => screen.findByRole("button", { name: words });

describe("the bell", () => {
  it("shows the server's count, up to 99+, and asks for it once under StrictMode", async () => {
    const service = await openService(2);
    show(service, <Inbox locale="en" alerts={false} />);
    await count("Notifications, 2 unread");
    expect(service.calls.filter((call) => call.startsWith("GET /api/notifications"))).toHaveLength(1);
    await service.hub.event("notification_read", {
      notification_id: 2,
      unread_count: 120,
      timestamp: new Date().toISOString(),
    });
    await count("Notifications, 120 unread");
    expect(bell().textContent).toContain("99+");
  });

  it("is nothing to press twice for: it opens, closes with Escape, and has the focus again", async () => {
    await openPanel(await openService(1));
    expect(document.activeElement).toBe(panel());
    fireEvent.keyDown(panel(), { key: "Escape" });
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(document.activeElement).toBe(bell());
    expect(bell().getAttribute("aria-expanded")).toBe("false");
  });

  it("says what came in to screen readers, unless the app does", async () => {
    const service = await openService(1);
    show(service, <Inbox locale="en" alerts={false} announce={({ category }) => category === "jobs"} />);
    await count("Notifications, 1 unread");
    await service.create({ title: "Yours was accepted" });
    await service.create({ title: "Not this one", category: "other" });
    expect(screen.getByRole("log").textContent).toBe("New notification: Yours was accepted");
  });

  it("speaks German", async () => {
    const service = await openService(1);
    show(service, <Inbox locale="de-AT" alerts={false} words={{ title: "Post" }} />);
    fireEvent.click(await count("Mitteilungen, 1 ungelesen"));
    const german = screen.getByRole("dialog", { name: "Post" });
    await within(german).findByRole("heading", { name: "Heute" });
  });
});

describe("the panel", () => {
  it("shows texts as text", async () => {
    const service = await openService(0);
    service.list = [sample(1, { title: "<img src=x onerror=alert(1)>", message: "<b>bold</b>" })];
    await openPanel(service);
    expect(panel().querySelector("img, b")).toBeNull();
    expect(titles()).toEqual(["<img src=x onerror=alert(1)>"]);
  });

  it("leads where the app says, and has read what was opened", async () => {
    const service = await openService(2);
    const opened = vi.fn();
    await openPanel(service, {
      hrefOf: ({ data, id }) => (id === 2 ? `#/jobs/${data.job_id}` : undefined),
      onOpen: opened,
    });
    const link = within(panel()).getByRole("link", { name: /Job 2 was accepted/ });
    expect(link.getAttribute("href")).toBe("#/jobs/2");
    fireEvent.click(link);
    expect(opened).toHaveBeenCalledOnce();
    expect(screen.queryByRole("dialog")).toBeNull();
    await waitFor(() => expect(service.calls).toContain("PUT /api/notifications/2/read"));
    // The other one opens in place.
    fireEvent.click(bell());
    const other = openers()[1] as HTMLElement;
    fireEvent.click(other);
    expect(other.getAttribute("aria-expanded")).toBe("true");
    await waitFor(() => expect(service.calls).toContain("PUT /api/notifications/1/read"));
  });

  it("deletes and brings back, by keyboard, with the focus on what is next", async () => {
    const service = await openService(3);
    await openPanel(service);
    const [first, second] = openers();
    first?.focus();
    fireEvent.keyDown(first as HTMLElement, { key: "ArrowDown" });
    expect(document.activeElement).toBe(second);
    fireEvent.keyDown(second as HTMLElement, { key: "Delete" });
    expect(titles()).toEqual(["Job 3 was accepted", "Job 1 was accepted"]);
    expect(document.activeElement).toBe(openers()[1]);
    fireEvent.keyDown(document.activeElement as HTMLElement, { key: "Home" });
    expect(document.activeElement).toBe(openers()[0]);
    fireEvent.click(within(panel()).getByRole("button", { name: "Undo" }));
    await waitFor(() => expect(service.calls).toContain("POST /api/notifications/2/restore"));
    expect(titles()).toEqual(["Job 3 was accepted", "Job 2 was accepted", "Job 1 was accepted"]);
    // Tab stops in the list once: at a row and its menu.
    const stops = panel().querySelectorAll('[data-scroll] [tabindex="0"]');
    expect(stops).toHaveLength(2);
  });

  it("has a menu for each one, which is walked and closed by keyboard", async () => {
    const service = await openService(1);
    await openPanel(service);
    const button = within(panel()).getByRole("button", { name: "Actions for Job 1 was accepted" });
    fireEvent.click(button);
    const menu = within(panel()).getByRole("menu");
    const [read, remove] = within(menu).getAllByRole("menuitem") as HTMLElement[];
    expect(document.activeElement).toBe(read);
    fireEvent.keyDown(read as HTMLElement, { key: "ArrowDown" });
    expect(document.activeElement).toBe(remove);
    fireEvent.keyDown(remove as HTMLElement, { key: "Escape" });
    expect(screen.queryByRole("menu")).toBeNull();
    expect(document.activeElement).toBe(button);
    // The panel is still there.
    fireEvent.click(button);
    fireEvent.click(within(panel()).getByRole("menuitem", { name: "Mark as read" }));
    await waitFor(() => expect(service.calls).toContain("PUT /api/notifications/1/read"));
  });

  it("does not move a list that is under the pointer: what is new waits behind a button", async () => {
    const service = await openService(2);
    await openPanel(service);
    const list = panel().querySelector("[data-scroll]") as HTMLElement;
    fireEvent.pointerEnter(list, { pointerType: "mouse" });
    await service.create();
    await service.create();
    expect(titles()).toEqual(["Job 2 was accepted", "Job 1 was accepted"]);
    fireEvent.click(within(panel()).getByRole("button", { name: "2 new" }));
    expect(titles()).toHaveLength(4);
    fireEvent.pointerLeave(list);
    await service.create();
    expect(titles()[0]).toBe("Job 5 was accepted");
    // Where all that was there is deleted, nothing is left to hold still.
    fireEvent.pointerEnter(list, { pointerType: "mouse" });
    await service.create();
    expect(titles()).toHaveLength(5);
    for (const id of [5, 4, 3, 2, 1]) await service.tell("notification_deleted", { notification_id: id });
    expect(titles()).toEqual(["Job 6 was accepted"]);
    expect(within(panel()).queryByRole("button", { name: /new$/ })).toBeNull();
  });

  it("says when it closes, also when it goes", async () => {
    const service = await openService(1);
    const changed = vi.fn();
    const view = await openPanel(service, { onOpenChange: changed });
    expect(changed).toHaveBeenLastCalledWith(true);
    fireEvent.pointerDown(document.body);
    expect(changed).toHaveBeenLastCalledWith(false);
    fireEvent.click(bell());
    expect(changed).toHaveBeenLastCalledWith(true);
    view.unmount();
    expect(changed).toHaveBeenLastCalledWith(false);
  });

  it("filters by category and by unread, and says when nothing is left", async () => {
    const service = await openService(1);
    service.list.push(sample(0, { title: "Paid", category: "payments", is_read: true }));
    await openPanel(service);
    const chip = await within(panel()).findByRole("button", { name: "Payments" });
    fireEvent.click(chip);
    await waitFor(() => expect(titles()).toEqual(["Paid"]));
    expect(chip.getAttribute("aria-pressed")).toBe("true");
    fireEvent.click(within(panel()).getByRole("button", { name: /^Unread/ }));
    await within(panel()).findByText("Nothing unread");
    fireEvent.click(within(panel()).getByRole("button", { name: "Show all" }));
    await waitFor(() => expect(titles()).toHaveLength(2));
  });

  it("says that nothing was there yet, and what could not be loaded, and tries again", async () => {
    const service = await openService(0);
    service.refuses = 503;
    await openPanel(service);
    expect((await within(panel()).findByRole("alert")).textContent).toMatch(/could not be loaded/);
    service.refuses = null;
    fireEvent.click(within(panel()).getByRole("button", { name: /^Try/ }));
    await within(panel()).findByText("No notifications yet");
  });

  it("takes back what the service refused, and says so", async () => {
    const service = await openService(1);
    await openPanel(service);
    service.refuses = 503;
    fireEvent.click(within(panel()).getByRole("button", { name: "Mark all read" }));
    await within(panel()).findByText(/were not marked as read/);
    expect(rows()[0]?.hasAttribute("data-unread")).toBe(true);
    fireEvent.click(within(panel()).getByRole("button", { name: "Dismiss" }));
    expect(within(panel()).queryByText(/were not marked as read/)).toBeNull();
  });

  it("loads older ones by button where nothing tells of scrolling", async () => {
    vi.stubGlobal("IntersectionObserver", undefined);
    const service = await openService(25);
    await openPanel(service);
    expect(rows()).toHaveLength(20);
    fireEvent.click(within(panel()).getByRole("button", { name: "Load more" }));
    await waitFor(() => expect(rows()).toHaveLength(25));
    expect(within(panel()).queryByRole("button", { name: "Load more" })).toBeNull();
  });
});

describe("what a notification renders", () => {
  it("in the open panel its own row, and no other", async () => {
    const service = await openService(3);
    const rendered = vi.fn((title: string) => `Actions for ${title}`);
    const words = { actionsFor: rendered };
    await openPanel(service, { words });
    rendered.mockClear();
    await service.create({ title: "The new one" });
    expect(new Set(rendered.mock.calls.flat())).toEqual(new Set(["The new one"]));
    rendered.mockClear();
    await service.tell("notification_read", { notification_id: 2 });
    expect(new Set(rendered.mock.calls.flat())).toEqual(new Set(["Job 2 was accepted"]));
  });

  it("with useInbox only what is asked for, and the actions keep their identity", async () => {
    const service = await openService(2);
    const seen: { all: unknown[]; counts: (number | null)[]; actions: Set<unknown> } = {
      all: [],
      counts: [],
      actions: new Set(),
    };
    function All() {
      const { items, markRead } = useInbox();
      seen.all.push(items);
      seen.actions.add(markRead);
      return null;
    }
    function Count() {
      seen.counts.push(useInbox(({ unreadCount }) => unreadCount));
      return null;
    }
    show(
      service,
      <>
        <All />
        <Count />
      </>,
    );
    await waitFor(() => expect(seen.counts.at(-1)).toBe(2));
    const before = { all: seen.all.length, counts: seen.counts.length };
    await act(async () => service.inbox.setFilter({ unread: true }));
    expect(seen.all.length).toBeGreaterThan(before.all);
    expect(seen.counts).toHaveLength(before.counts);
    expect(seen.actions.size).toBeLessThanOrEqual(2); // StrictMode renders the first time twice.
  });

  it("needs a provider, and says so", () => {
    const said = vi.spyOn(console, "error").mockImplementation(() => {});
    function Bare() {
      useInbox();
      return null;
    }
    expect(() => show({ inbox: null } as unknown as Service, <Bare />)).toThrow(/<InboxProvider>/);
    said.mockRestore();
  });
});

it("a provider with options makes one inbox, follows the hub's events, and asks for the latest token", async () => {
  const service = await openService(1);
  const asked: string[] = [];
  const options = (token: string) => ({
    baseUrl: "http://service.test/",
    getToken: () => {
      asked.push(token);
      return token;
    },
    fetch: async () =>
      new Response(JSON.stringify({ notifications: [], total: 0, unread_count: 4, next: null })),
  });
  const { rerender } = await import("@testing-library/react").then(({ render }) =>
    render(
      <InboxProvider options={options("one")}>
        <Inbox locale="en" alerts={false} />
      </InboxProvider>,
      { wrapper: service.hub.wrapper },
    ),
  );
  await count("Notifications, 4 unread");
  rerender(
    <InboxProvider options={options("two")}>
      <Inbox locale="en" alerts={false} />
    </InboxProvider>,
  );
  await service.hub.gap("user:7");
  await waitFor(() => expect(asked.at(-1)).toBe("two"));
  await service.hub.event("notification_read", {
    notification_id: 9,
    unread_count: 3,
    timestamp: new Date().toISOString(),
  });
  await count("Notifications, 3 unread");
});
