// The conversation panel as the employer 7 sees it who talks with the worker 9.

import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { message } from "./sample";
import { openStage } from "./stage";

const log = () => screen.findByRole("log", { name: "Messages" });
const field = () => screen.findByLabelText("Message to Worker #9") as Promise<HTMLTextAreaElement>;
const texts = async () =>
  within(await log())
    .queryAllByRole("listitem")
    .map((item) => item.querySelector("p")?.textContent);
const received = (id: number, text: string) => ({
  id,
  from_user_id: 9,
  to_user_id: 7,
  message: text,
  timestamp: "2026-11-20T12:10:00.000Z",
});

async function write(text: string) {
  fireEvent.change(await field(), { target: { value: text } });
}

beforeEach(() => sessionStorage.clear());

describe("a conversation", () => {
  test("shows who said what, by day, and text of others as text", async () => {
    await openStage([
      message(1, 9, 7, "<b>hi</b><img src=x onerror=alert(1)>"),
      { ...message(2, 7, 9, "Hello\nyou"), read: true },
      message(3, 7, 9),
    ]);
    await waitFor(async () =>
      expect(await texts()).toEqual([
        "Worker #9: <b>hi</b><img src=x onerror=alert(1)>",
        "You: Hello\nyou",
        "You: message 3",
      ]),
    );
    expect((await log()).querySelector("img, b")).toBeNull();
    expect(screen.getAllByText("Read")).toHaveLength(1);
    expect(screen.getAllByText("Sent")).toHaveLength(1);
    expect((await log()).getAttribute("aria-live")).toBe("polite");
  });

  test("that is empty says what will be here", async () => {
    await openStage();
    expect(await screen.findByText("No messages yet")).toBeTruthy();
  });

  test("that can't be loaded says so, and loads when it is tried again", async () => {
    const stage = await openStage([message(1)], false);
    stage.up = false;
    stage.remove();
    vi.unstubAllGlobals();
    const other = await openStage([message(1)]);
    await screen.findByText("message 1");
    other.up = false;
    await other.gap();
    expect((await screen.findByRole("alert")).textContent).toContain("could not be loaded");
    expect(screen.getByText("message 1")).toBeTruthy();
    other.up = true;
    fireEvent.click(screen.getByRole("button", { name: "Retry" }));
    await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
  });

  test("has its earlier pages behind a button, each message once", async () => {
    await openStage(Array.from({ length: 120 }, (_, at) => message(at + 1)));
    await screen.findByText("message 120");
    expect(screen.queryByText("message 70")).toBeNull();
    fireEvent.click(screen.getByRole("button", { name: "Show earlier messages" }));
    await screen.findByText("message 21");
    fireEvent.click(screen.getByRole("button", { name: "Show earlier messages" }));
    await screen.findByText("message 1");
    await waitFor(() => expect(screen.queryByRole("button", { name: "Show earlier messages" })).toBeNull());
    expect(within(await log()).getAllByRole("listitem")).toHaveLength(120);
  });

  test("goes on with what comes, and with what other devices send, each message once", async () => {
    const stage = await openStage([message(1)]);
    await screen.findByText("message 1");
    await stage.event("message_received", received(2, "two"));
    await stage.event("message_received", received(2, "two"));
    await stage.event("message_received", { ...received(3, "mine"), from_user_id: "7", to_user_id: 9 });
    await stage.event("message_received", { ...received(4, "of somebody else"), from_user_id: 11 });
    await stage.event("message_received", { nonsense: true });
    expect(await texts()).toEqual(["Worker #9: message 1", "Worker #9: two", "You: mine"]);
  });

  test("is loaded anew after a gap", async () => {
    const stage = await openStage([message(1)]);
    await screen.findByText("message 1");
    stage.messages = [message(1), message(2), message(3)];
    await stage.gap();
    await screen.findByText("message 3");
  });
});

describe("writing", () => {
  test("sends with Enter, and shows it on its way, sent, and read", async () => {
    const stage = await openStage([message(1)]);
    await screen.findByText("message 1");
    await write("See you\nthere");
    fireEvent.keyDown(await field(), { key: "Enter", shiftKey: true });
    fireEvent.keyDown(await field(), { key: "Enter", isComposing: true });
    expect(stage.sent("send_message")).toEqual([]);
    fireEvent.keyDown(await field(), { key: "Enter" });
    await waitFor(() => expect(stage.sent("send_message")).toHaveLength(1));
    expect(stage.sent("send_message")[0]?.data).toEqual({ to_user_id: 9, message: "See you\nthere" });
    expect((await field()).value).toBe("");
    expect(screen.getByText("Sending")).toBeTruthy();
    await stage.answer("send_message", { success: true, id: 2 });
    expect(await screen.findByText("Sent")).toBeTruthy();
    await stage.event("message_read", { message_id: 2, user_id: 9, timestamp: "2026-11-20T12:11:00.000Z" });
    expect(await screen.findByText("Read")).toBeTruthy();
    expect(screen.queryByText("Sent")).toBeNull();
  });

  test("that is refused says why, and can be discarded", async () => {
    const stage = await openStage([message(1)]);
    await write("hi");
    fireEvent.click(screen.getByRole("button", { name: "Send" }));
    await waitFor(() => expect(stage.sent("send_message")).toHaveLength(1));
    await stage.answer("send_message", { success: false, code: "blocked", message: "no" });
    expect((await screen.findByRole("alert")).textContent).toContain(
      "Worker #9 does not take messages of yours.",
    );
    expect(screen.queryByRole("button", { name: "Retry" })).toBeNull();
    fireEvent.click(screen.getByRole("button", { name: "Discard" }));
    await waitFor(() => expect(screen.queryByText("hi")).toBeNull());
  });

  test("that gets no answer can be tried again, and its own event says that it was stored", async () => {
    const stage = await openStage([message(1)]);
    await write("hi");
    fireEvent.click(screen.getByRole("button", { name: "Send" }));
    await waitFor(() => expect(stage.sent("send_message")).toHaveLength(1));
    await stage.connection(false);
    expect((await screen.findByRole("alert")).textContent).toContain("can't arrive twice");
    expect(screen.getByRole("button", { name: "Retry" })).toBeTruthy();
    await stage.event("message_received", { ...received(2, "hi"), from_user_id: 7, to_user_id: 9 });
    await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
    expect(await texts()).toEqual(["Worker #9: message 1", "You: hi"]);
  });

  test("tells of the limit when it is near, and sends nothing beyond it or blank", async () => {
    const stage = await openStage([message(1)]);
    await write("a".repeat(4000));
    expect(screen.getByText("96 bytes left")).toBeTruthy();
    await write("é".repeat(2049));
    expect(screen.getByText("2 bytes too long")).toBeTruthy();
    fireEvent.keyDown(await field(), { key: "Enter" });
    await write(" \n ");
    fireEvent.keyDown(await field(), { key: "Enter" });
    expect(stage.sent("send_message")).toEqual([]);
  });

  test("keeps a draft over closing and opening", async () => {
    const stage = await openStage([message(1)]);
    await write("not finished");
    stage.remove();
    vi.unstubAllGlobals();
    await openStage([message(1)]);
    expect((await field()).value).toBe("not finished");
  });

  test("tells that one types, and that one does no more", async () => {
    const stage = await openStage([message(1)]);
    await write("a");
    await write("ab");
    await write("");
    await write("c");
    stage.remove();
    expect(stage.sent("typing").map(({ data }) => data)).toEqual([
      { to_user_id: 9, is_typing: true },
      { to_user_id: 9, is_typing: false },
      { to_user_id: 9, is_typing: true },
      { to_user_id: 9, is_typing: false },
    ]);
  });
});

describe("the other", () => {
  test("is seen typing until a message comes, or by itself no more", async () => {
    const stage = await openStage([message(1)]);
    await screen.findByText("message 1");
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      await stage.event("user_typing", { user_id: 11, is_typing: true });
      expect(screen.queryByText("Worker #9 is typing")).toBeNull();
      await stage.event("user_typing", { user_id: "9", is_typing: true });
      expect(screen.getByText("Worker #9 is typing")).toBeTruthy();
      await act(() => vi.advanceTimersByTimeAsync(6_900));
      expect(screen.getByText("Worker #9 is typing")).toBeTruthy();
      await act(() => vi.advanceTimersByTimeAsync(200));
      expect(screen.queryByText("Worker #9 is typing")).toBeNull();
      await stage.event("user_typing", { user_id: 9, is_typing: true });
      await stage.event("message_received", received(2, "done"));
      expect(screen.queryByText("Worker #9 is typing")).toBeNull();
    } finally {
      vi.useRealTimers();
    }
  });

  test("is there if they themselves follow their channel, and nothing is said without a connection", async () => {
    const stage = await openStage([message(1)]);
    const here = (...users: (string | number)[]) => ({
      channel: "online:9",
      users: users.map((user_id) => ({ user_id, since: "2026-11-20T12:00:00.000Z" })),
      count: users.length,
    });
    await waitFor(() => expect(stage.sent("presence")).toHaveLength(1));
    await stage.event("presence", here(7));
    expect(await screen.findByText("Away")).toBeTruthy();
    await stage.event("presence", here(7, "9"));
    expect(await screen.findByText("Online")).toBeTruthy();
    await stage.connection(false);
    expect(screen.queryByText("Online")).toBeNull();
    expect(screen.queryByText("Away")).toBeNull();
  });
});

describe("reading", () => {
  test("is told of the latest message while the page is looked at, and nothing counts as unread", async () => {
    const stage = await openStage([message(1), message(2)]);
    await waitFor(() => expect(stage.sent("mark_read").map(({ data }) => data)).toEqual([{ message_id: 2 }]));
    stage.messages = stage.messages.map((one) => ({ ...one, read: true }));
    await stage.answer("mark_read", { success: true, message_id: 2, unread_count: 0 });
    stage.messages = [...stage.messages, message(3)];
    await stage.event("message_received", received(3, "three"));
    await waitFor(() =>
      expect(stage.sent("mark_read").map(({ data }) => data)).toContainEqual({ message_id: 3 }),
    );
    expect(screen.getByTestId("total").textContent).toBe("");
  });

  test("waits for the focus", async () => {
    const focus = vi.spyOn(document, "hasFocus");
    const stage = await openStage([message(1)]);
    await screen.findByText("message 1");
    focus.mockReturnValue(false);
    act(() => void window.dispatchEvent(new Event("blur")));
    const before = stage.sent("mark_read").length;
    stage.messages = [...stage.messages, message(2)];
    await stage.event("message_received", received(2, "two"));
    await screen.findByText("two");
    expect(stage.sent("mark_read")).toHaveLength(before);
    await waitFor(() => expect(screen.getByTestId("total").textContent).toContain("unread"));
    vi.mocked(document.hasFocus).mockReturnValue(true);
    act(() => void window.dispatchEvent(new Event("focus")));
    await waitFor(() => expect(stage.sent("mark_read").at(-1)?.data).toEqual({ message_id: 2 }));
  });

  test("of what nobody has opened is not told, and it counts", async () => {
    const stage = await openStage([message(1), message(2)], false);
    await waitFor(() => expect(screen.getByTestId("total").textContent).toBe("2 unread"));
    stage.messages = [...stage.messages, message(3)];
    await stage.event("message_received", received(3, "three"));
    await waitFor(() => expect(screen.getByTestId("total").textContent).toBe("3 unread"));
    expect(stage.sent("mark_read")).toEqual([]);
  });
});

describe("the menu", () => {
  const choose = async (name: string) => {
    const button = await screen.findByRole("button", { name: "Conversation menu" });
    fireEvent.keyDown(button, { key: "Enter" });
    fireEvent.click(await screen.findByRole("menuitem", { name }));
  };

  test("blocks with a way back, and unblocks with a way back", async () => {
    const stage = await openStage([message(1)]);
    await screen.findByText("message 1");
    await choose("Block Worker #9");
    expect(await screen.findByText(/You blocked Worker #9/)).toBeTruthy();
    expect(screen.queryByLabelText("Message to Worker #9")).toBeNull();
    fireEvent.click(screen.getByRole("button", { name: "Undo" }));
    expect(await screen.findByText(/can write to you again/)).toBeTruthy();
    expect(await field()).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Undo" }));
    expect(await screen.findByText(/You blocked Worker #9/)).toBeTruthy();
    expect(stage.calls.filter((call) => call.includes("blocks"))).toEqual([
      "PUT /api/chat/blocks/9",
      "DELETE /api/chat/blocks/9",
      "PUT /api/chat/blocks/9",
    ]);
  });

  test("Escape closes the panel", async () => {
    const stage = await openStage([message(1)]);
    fireEvent.keyDown(await field(), { key: "Escape" });
    expect(stage.closed()).toBe(true);
  });
});
