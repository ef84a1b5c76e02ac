// One question about a channel and its answer, over a client's public face: what history and presence are made of. Knows neither.

import { member } from "./frames.js";
import type { Client } from "./types.js";

/** The longest wait for an answer, milliseconds. */
const LIMIT = 15_000;

/** Why a question has no answer. */
export class AskError extends Error {
  override readonly name = "AskError";
  constructor(
    /** The server's code (`forbidden`, `invalid_channel`, `unknown_type`, …), `closed` without a connection, or `timeout`. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The last question of each kind about a channel: answers carry no number, so one is asked after the other. */
const last = new WeakMap<object, Map<string, Promise<unknown>>>();

/** Sends `{type, data}` and waits for the frame of that type that is about the channel. */
export function ask<Answer>(
  client: Client,
  type: "history" | "presence",
  data: { readonly channel: string },
): Promise<Answer> {
  const line = last.get(client) ?? new Map<string, Promise<unknown>>();
  last.set(client, line);
  const name = `${type} ${data.channel}`;
  const next = () => askNow<Answer>(client, type, data);
  const mine = (line.get(name) ?? Promise.resolve()).then(next, next);
  line.set(name, mine);
  const done = () => {
    if (line.get(name) === mine) line.delete(name);
  };
  mine.then(done, done);
  return mine;
}

function askNow<Answer>(client: Client, type: "history" | "presence", data: { readonly channel: string }) {
  return new Promise<Answer>((resolve, reject) => {
    const fail = (code: string, message: string) => {
      stop();
      reject(new AskError(code, message));
    };
    const removals = [
      client.on(type, (answer) => {
        if (member(answer, "channel") !== data.channel) return;
        stop();
        resolve(answer as Answer);
      }),
      client.on("error", ({ code, message, channel }) => {
        // A server that does not know the question names no channel.
        if (channel === data.channel || code === "unknown_type") fail(code, message);
      }),
      client.onState(({ status }) => {
        if (status !== "open") fail("closed", "The connection ended before the answer came.");
      }),
    ];
    const timer = setTimeout(() => fail("timeout", "The server did not answer in time."), LIMIT);
    const stop = () => {
      clearTimeout(timer);
      for (const remove of removals) remove();
    };
    if (!client.send(type, data)) fail("closed", "There is no connection.");
  });
}
