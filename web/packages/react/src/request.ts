// A component that asks for something and shows how that stands. What answers mean is the app's; nothing is asked again by itself.

import type { Answer, RequestError, RequestOptions } from "@fanfare/client";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useFanfare } from "./provider.js";

/** An answer that says no, as `error` of {@link useRequest}. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  constructor(
    /** The service's code, or `unavailable` where there is none that could answer. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** A request of a type, and how the latest one stands. The functions keep their identity. */
export interface RequestState<Data = unknown> {
  /**
   * Sends it, and gives the answer where it says yes. Null where it does not, where none came, and where a later `request`, `reset`
   * or the component's end came before it: it never rejects.
   */
  readonly request: (data: Data) => Promise<(Answer & { success: true }) | null>;
  /** The latest one waits for its answer. */
  readonly pending: boolean;
  /** Why the latest one was not carried out, or has no answer. With a signal of one's own, its reason. */
  readonly error: RefusedError | RequestError | Error | null;
  /** The answer of the latest one, if it says yes. */
  readonly answer: (Answer & { success: true }) | null;
  /** Forgets the latest one. What was asked for is not taken back. */
  readonly reset: () => void;
}

type Shown = Pick<RequestState, "pending" | "error" | "answer">;

const IDLE: Shown = { pending: false, error: null, answer: null };

/**
 * Requests of one type, as for a form: `request(data)` sends one, and `pending`, `error` and `answer` tell of the latest. Renders the
 * component when these change. Nothing is sent twice by itself.
 *
 * ```tsx
 * const { request, pending, error } = useRequest("send_message");
 * const sent = await request({ to_user_id: 8, message });
 * ```
 */
export function useRequest<Data = unknown>(type: string, options: RequestOptions = {}): RequestState<Data> {
  const client = useFanfare();
  const [shown, setShown] = useState(IDLE);
  /** The latest one: what comes of an earlier one is not shown. */
  const latest = useRef<object | null>(null);
  const { timeout, signal } = options;

  useEffect(
    () => () => {
      latest.current = null;
    },
    [],
  );

  const request = useCallback<RequestState<Data>["request"]>(
    async (data) => {
      const mine = (latest.current = {});
      setShown({ ...IDLE, pending: true });
      let next: Shown;
      try {
        const answer = await client.request(type, data, { timeout, signal });
        next = answer.success
          ? { ...IDLE, answer }
          : { ...IDLE, error: new RefusedError(answer.code, answer.message) };
      } catch (thrown) {
        next = { ...IDLE, error: thrown instanceof Error ? thrown : new Error(String(thrown)) };
      }
      if (latest.current !== mine) return null;
      setShown(next);
      return next.answer;
    },
    [client, type, timeout, signal],
  );
  const reset = useCallback(() => {
    latest.current = null;
    setShown(IDLE);
  }, []);
  return useMemo(() => ({ request, reset, ...shown }), [request, reset, shown]);
}
