// The fixtures that the server's tests read too: its close codes, every frame that it sends, every frame that it takes.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CLOSE_CODES, endingOf } from "../src/close-codes.js";
import { history } from "../src/history.js";
import { presence, watchPresence } from "../src/presence.js";
import { openScene, scene, settle } from "./fakes.js";

function fixture<T>(name: string): T {
  const url = new URL(`../../../../crates/protocol/fixtures/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as T;
}

describe("close codes", () => {
  const table = fixture<{ code: number; name: string; reason: string; reconnect: string }[]>("close-codes");

  test("are the server's, no more and no less", () => {
    expect(Object.keys(CLOSE_CODES).map(Number)).toEqual([...new Set(table.map(({ code }) => code))]);
  });

  const named: Record<string, string> = {
    normal: "closed",
    invalid_payload: "protocol_error",
    internal: "server_error",
    // The dashboard's, by the same code; this client knows only `/ws`.
    too_many_requests: "too_many_connections",
  };
  test.each(table)("$code $name: $reconnect", ({ code, name, reconnect }) => {
    const [reason, rule, message] = CLOSE_CODES[code] ?? [];
    expect(rule).toBe(reconnect);
    expect(reason).toBe(named[name] ?? name);
    expect(message).toMatch(/^[A-Z][^!]*\.$/);
  });

  test("the reason of a drain is read as the server writes it", () => {
    const text = table.find(({ code }) => code === 1001)?.reason;
    expect(endingOf(1001, `${text} 2500 ms`).delay).toBe(2_500);
  });
});

describe("frames from the server", () => {
  const frames = fixture<{ name: string; frame: string }[]>("channels/server");

  test.each(frames)("$name is read right", async ({ frame }) => {
    const s = await scene();
    s.socket.accept();
    const expected = JSON.parse(frame) as { type: string; data: unknown };
    const heard: unknown[] = [];
    s.client.on(expected.type, (data, event) => heard.push([data, event]));
    const any: unknown[] = [];
    s.client.onAny((event) => any.push(event));
    if (expected.type !== "connected") await s.socket.welcome();
    await s.socket.say(frame);
    expect(heard).toEqual([[expected.data, expected]]);
    expect(s.client.state.status).toBe("open");
    const control = new Set(frames.filter(({ name }) => !name.startsWith("event")).map(typeOf));
    expect(any).toEqual(control.has(expected.type) ? [] : [expected]);
    expect(s.errors.map(({ code }) => code)).toEqual(
      expected.type === "error" ? [(expected.data as { code: string }).code] : [],
    );
  });

  const typeOf = ({ frame }: { frame: string }) => (JSON.parse(frame) as { type: string }).type;
});

describe("frames from the client", () => {
  const frames = fixture<{ frame: string; means: Record<string, unknown> }[]>("channels/client");

  /** The members of a frame and their kinds: what the server's reader looks at. */
  const shapeOf = (text: string): string => {
    const kind = (value: unknown): unknown =>
      Array.isArray(value)
        ? [...new Set(value.map(kind))]
        : typeof value === "object" && value !== null
          ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, kind(inner)]))
          : typeof value;
    const frame = JSON.parse(text) as Record<string, unknown>;
    return JSON.stringify({ ...(kind(frame) as object), type: frame.type });
  };
  const accepted = new Set<string>();
  for (const { frame, means } of frames) if (!("error" in means)) accepted.add(shapeOf(frame));

  test("everything that this client sends by itself has a shape that the server takes", async () => {
    const s = await openScene({ getToken: () => "t" });
    await settle();
    await s.socket.welcome();
    const remove = s.client.subscribe(["jobs", "payments"]);
    await settle();
    remove();
    await settle();
    await s.socket.say(frame("token_expiring"));
    await s.env.pass(20_000);
    const types = s.socket.frames.map(({ type }) => type);
    expect(types).toEqual(["subscribe", "unsubscribe", "refresh", "ping"]);
    for (const sent of s.socket.sent) expect(accepted).toContain(shapeOf(sent));
  });

  test("so has what an application sends as type and data", async () => {
    const s = await openScene();
    s.client.send("subscribe", { channels: ["jobs"] });
    s.client.send("refresh", { token: "t" });
    s.client.send("ping", { n: 1 });
    s.client.send("ping");
    for (const sent of s.socket.sent) expect(accepted).toContain(shapeOf(sent));
  });

  test("so has what it sends to recover, to ask, and to acknowledge", async () => {
    const s = await openScene({ recovery: true });
    s.client.subscribe("jobs");
    await settle();
    const answer = (type: string, offset: number) =>
      s.socket.say({
        type,
        data: { channels: ["jobs"], positions: { jobs: { epoch: "3q2-7wAB", offset } }, resume: "t" },
      });
    await answer("subscribed", 0);
    const events = [];
    for (const name of ["event_placed", "event_placed_also", "event_placed_own"]) {
      await s.socket.say(frame(name));
      events.push(JSON.parse(frame(name)).id);
    }
    s.client.ack(events.slice(0, 1));
    const asked = [history(s.client, "jobs", { limit: 1, before: 0 }), presence(s.client, "jobs")];
    const end = watchPresence(s.client, "jobs", () => undefined);
    end();
    await settle();
    await s.socket.say(frame("history"));
    await s.socket.say(frame("presence"));
    expect(await Promise.all(asked)).toMatchObject([{ more: true }, { count: 2 }]);
    const first = s.socket.sent;
    await s.socket.end();
    await s.env.pass(1_000);
    await s.socket.welcome();
    await s.socket.say({ type: "error", data: { code: "not_found", message: "no such token" } });
    const all = [...first, ...s.socket.sent].filter(
      (text) => !text.includes('"presence","data":{"channel":"jobs"}}'),
    );
    expect(
      all
        .map((text) => JSON.parse(text).type)
        .sort()
        .join(),
    ).toBe("ack,history,presence,presence,resume,subscribe,subscribe,subscribe");
    for (const sent of all) if (!sent.includes('"channels":[]')) expect(accepted).toContain(shapeOf(sent));
    expect(JSON.parse(all.at(-2) ?? "").positions).toEqual({ jobs: { epoch: "3q2-7wAB", offset: 18 } });
  });

  function frame(name: string): string {
    const found = fixture<{ name: string; frame: string }[]>("channels/server").find((f) => f.name === name);
    if (!found) throw new Error(`no frame ${name}`);
    return found.frame;
  }
});
