// A form over requests: what it shows while one waits, what of an answer that says no, and what of none.

import { RequestError } from "@fanfare/client";
import { act, cleanup, renderHook } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { RefusedError, useRequest } from "../src/index.js";
import { createHub, type Hub } from "./hub.js";

afterEach(cleanup);

async function form(hub: Hub = createHub()) {
  await hub.open();
  const { result, unmount } = renderHook(() => useRequest<{ message: string }>("send_message"), {
    wrapper: hub.wrapper,
  });
  return { hub, result, unmount };
}

const ack = (hub: Hub, ref: string, answer: unknown) =>
  hub.event("ack", { event: "send_message", ref, answer });

test("it waits, and then has the answer", async () => {
  const { hub, result } = await form();
  expect(result.current).toMatchObject({ pending: false, error: null, answer: null });
  let given: unknown = "waits";
  await act(async () => void result.current.request({ message: "hi" }).then((answer) => (given = answer)));
  expect(hub.sent.at(-1)).toEqual({ ref: "1", type: "send_message", data: { message: "hi" } });
  expect(result.current.pending).toBe(true);
  await ack(hub, "1", { success: true, id: 12 });
  expect(result.current).toMatchObject({ pending: false, error: null, answer: { success: true, id: 12 } });
  expect(given).toEqual({ success: true, id: 12 });
});

test("an answer that says no is an error with the service's code", async () => {
  const { hub, result } = await form();
  let given: unknown = "waits";
  await act(async () => void result.current.request({ message: "" }).then((answer) => (given = answer)));
  await ack(hub, "1", { success: false, code: "empty", message: "There is nothing to send." });
  expect(given).toBeNull();
  expect(result.current.pending).toBe(false);
  expect(result.current.error).toBeInstanceOf(RefusedError);
  expect(result.current.error).toMatchObject({ code: "empty", message: "There is nothing to send." });
});

test("a connection that is lost is an error, and nothing is sent again", async () => {
  const { hub, result } = await form();
  await act(async () => void result.current.request({ message: "hi" }));
  await hub.become({ status: "connecting", attempt: 1, since: 0, reason: null });
  expect(result.current.error).toBeInstanceOf(RequestError);
  expect(result.current.error).toMatchObject({ code: "lost" });
  await hub.open();
  expect(hub.sent).toHaveLength(1);
  await act(async () => void result.current.request({ message: "hi" }));
  expect(result.current).toMatchObject({ pending: true, error: null });
});

test("only the latest one counts, and reset forgets it", async () => {
  const { hub, result } = await form();
  const given: unknown[] = [];
  await act(async () => {
    void result.current.request({ message: "first" }).then((answer) => given.push(answer));
    void result.current.request({ message: "second" }).then((answer) => given.push(answer));
  });
  await ack(hub, "1", { success: false, code: "late", message: "late" });
  expect(result.current).toMatchObject({ pending: true, error: null });
  await ack(hub, "2", { success: true, id: 2 });
  expect(result.current.answer).toEqual({ success: true, id: 2 });
  expect(given).toEqual([null, { success: true, id: 2 }]);
  act(() => result.current.reset());
  expect(result.current).toMatchObject({ pending: false, error: null, answer: null });
});

test("a component that is gone hears nothing more, and one that sends what is no JSON gets an error", async () => {
  const { hub, result, unmount } = await form();
  await act(async () => void result.current.request({ message: 1n as unknown as string }));
  expect(result.current.error).toBeInstanceOf(TypeError);
  let given: unknown = "waits";
  await act(async () => void result.current.request({ message: "hi" }).then((answer) => (given = answer)));
  unmount();
  await ack(hub, "2", { success: true });
  expect(given).toBeNull();
  expect(hub.errors).toEqual([]);
});

test("its functions keep their identity", async () => {
  const { hub, result } = await form();
  const { request, reset } = result.current;
  await act(async () => void result.current.request({ message: "hi" }));
  await ack(hub, "1", { success: true });
  expect(result.current.request).toBe(request);
  expect(result.current.reset).toBe(reset);
});
