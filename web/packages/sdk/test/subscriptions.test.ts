// Channels: counted, asked for in few frames, asked for again on every connection, and what the server says of each.

import { describe, expect, test } from "vitest";
import {
  type ChannelState,
  type ConnectionState,
  createClient,
  type TransportListener,
} from "../src/index.js";
import { FakeEnvironment, openScene, type Scene, scene, settle } from "./fakes.js";

const names = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `c${from + i}`);

/** What the frames asked for, one after the other. */
const asked = ({ socket }: Scene) => socket.frames.map(({ type, channels }) => [type, channels]);

const confirm = ({ socket }: Scene, ...channels: string[]) =>
  socket.say({ type: "subscribed", data: { channels } });

const refuse = ({ socket }: Scene, channel: string, code = "forbidden", message = "not allowed") =>
  socket.say({ type: "error", data: { code, message, channel } });

describe("what goes to the server", () => {
  test("the channels of one turn are one frame", async () => {
    const s = await openScene();
    s.client.subscribe("jobs");
    s.client.subscribe(["payments", "orders:eu"]);
    expect(s.socket.sent).toEqual([]);
    await settle();
    expect(asked(s)).toEqual([["subscribe", ["jobs", "payments", "orders:eu"]]]);
  });

  test("two who follow a channel are one subscription, which ends with the second", async () => {
    const s = await openScene();
    const first = s.client.subscribe("jobs");
    await settle();
    const second = s.client.subscribe("jobs");
    await settle();
    first();
    await settle();
    expect(asked(s)).toEqual([["subscribe", ["jobs"]]]);
    second();
    await settle();
    expect(asked(s)).toEqual([
      ["subscribe", ["jobs"]],
      ["unsubscribe", ["jobs"]],
    ]);
    expect(s.client.channel("jobs")).toBeUndefined();
  });

  test("calling the removal twice takes back one", async () => {
    const s = await openScene();
    const first = s.client.subscribe("jobs");
    s.client.subscribe("jobs");
    first();
    first();
    await settle();
    expect(asked(s)).toEqual([["subscribe", ["jobs"]]]);
  });

  test("unsubscribe takes back one, and nothing of what nobody follows", async () => {
    const s = await openScene();
    s.client.subscribe(["jobs", "payments"]);
    s.client.subscribe("jobs");
    await settle();
    s.client.unsubscribe(["jobs", "payments", "other"]);
    await settle();
    expect(asked(s).slice(1)).toEqual([["unsubscribe", ["payments"]]]);
    s.client.unsubscribe("jobs");
    s.client.unsubscribe("jobs");
    await settle();
    expect(asked(s).slice(2)).toEqual([["unsubscribe", ["jobs"]]]);
  });

  test("leaving and joining in one turn cancel out, and the channel keeps its state", async () => {
    const s = await openScene();
    const remove = s.client.subscribe("jobs");
    await settle();
    await confirm(s, "jobs");
    remove();
    s.client.subscribe("jobs");
    await settle();
    expect(asked(s)).toEqual([["subscribe", ["jobs"]]]);
    expect(s.client.channel("jobs")).toEqual({ status: "subscribed" });
  });

  test("joining and leaving in one turn sends nothing", async () => {
    const s = await openScene();
    s.client.subscribe("jobs")();
    await settle();
    expect(s.socket.sent).toEqual([]);
  });

  test("what leaves goes out before what joins, since the server counts", async () => {
    const s = await openScene();
    const remove = s.client.subscribe("old");
    await settle();
    s.client.subscribe("new");
    remove();
    await settle();
    expect(asked(s).slice(1)).toEqual([
      ["unsubscribe", ["old"]],
      ["subscribe", ["new"]],
    ]);
  });

  test("at most 100 channels are in a frame", async () => {
    const s = await openScene();
    s.client.subscribe(names(250));
    await settle();
    expect(s.socket.frames.map(({ channels }) => (channels as string[]).length)).toEqual([100, 100, 50]);
  });

  test("before the welcome nothing is sent, after it everything in one frame", async () => {
    const s = await scene();
    s.client.subscribe("jobs");
    await settle();
    s.client.subscribe("payments");
    s.client.subscribe("gone")();
    s.socket.accept();
    await settle();
    expect(s.socket.sent).toEqual([]);
    await s.socket.welcome();
    expect(asked(s)).toEqual([["subscribe", ["jobs", "payments"]]]);
  });

  test("what is subscribed as the state opens goes out with the rest", async () => {
    const s = await scene();
    s.client.subscribe("jobs");
    s.client.onState(({ status }) => {
      if (status === "open") s.client.subscribe("payments");
    });
    s.client.on("connected", () => s.client.subscribe("users"));
    await s.socket.welcome();
    expect(asked(s)).toEqual([["subscribe", ["jobs", "payments", "users"]]]);
  });

  test("after a reconnect everything is asked for again, once", async () => {
    const s = await openScene();
    s.client.subscribe(["jobs", "payments"]);
    const gone = s.client.subscribe("gone");
    await settle();
    await s.socket.end();
    gone();
    s.client.subscribe("new");
    s.client.subscribe("jobs");
    await s.env.pass(1_000);
    await s.socket.welcome("c2");
    expect(s.sockets).toHaveLength(2);
    expect(asked(s)).toEqual([["subscribe", ["jobs", "payments", "new"]]]);
  });

  test("after close() and connect() too", async () => {
    const s = await openScene();
    s.client.subscribe("jobs");
    await settle();
    s.client.close();
    s.client.connect();
    await settle();
    await s.socket.welcome();
    expect(asked(s)).toEqual([["subscribe", ["jobs"]]]);
  });
});

describe("the server's rate limit of 100 frames in 10 s", () => {
  test("is not reached by resubscribing to ten thousand channels", async () => {
    const s = await openScene();
    s.client.subscribe(names(10_000));
    await settle();
    await s.socket.end();
    await s.env.pass(1_000);
    await s.socket.welcome();
    const sentAt: number[] = [];
    const start = s.env.time;
    for (let second = 0; second <= 40; second++) {
      sentAt.push(s.socket.frames.filter(({ type }) => type === "subscribe").length);
      await s.env.pass(1_000);
      await s.socket.say({ type: "tick" });
    }
    for (const [second, sent] of sentAt.entries()) {
      expect(sent - (sentAt[second - 10] ?? 0)).toBeLessThanOrEqual(80);
    }
    expect(sentAt.at(-1)).toBe(100);
    expect(s.env.time - start).toBeLessThan(60_000);
    const all = s.socket.frames.flatMap(({ channels }) => (channels as string[] | undefined) ?? []);
    expect(new Set(all).size).toBe(10_000);
  });

  test("is not reached by a list that is scrolled for a long time", async () => {
    const s = await openScene();
    let remove = () => {};
    for (let row = 0; row < 500; row++) {
      remove();
      remove = s.client.subscribe(`row:${row}`);
      await s.env.pass(10);
    }
    expect(s.socket.sent.length).toBeLessThanOrEqual(40);
    await s.env.pass(10_000);
    await s.socket.say({ type: "tick" });
    const followed = new Set<string>();
    for (const { type, channels } of s.socket.frames) {
      for (const name of (channels as string[] | undefined) ?? []) {
        if (type === "subscribe") followed.add(name);
        else followed.delete(name);
      }
    }
    expect([...followed]).toEqual(["row:499"]);
  });
});

describe("the rate of frames", () => {
  /** Changes channels until the client holds frames back. */
  async function busy(s: Scene) {
    for (let n = 0; n < 30; n++) {
      s.client.subscribe(`busy:${n}`)();
      const remove = s.client.subscribe(`row:${n}`);
      await settle();
      remove();
      await settle();
    }
    expect(s.socket.sent).toHaveLength(40);
  }

  test("is counted for each connection", async () => {
    const s = await openScene();
    await busy(s);
    s.client.subscribe("jobs");
    await s.socket.end();
    s.client.connect();
    await settle();
    await s.socket.welcome();
    expect(asked(s)).toEqual([["subscribe", ["jobs"]]]);
  });

  test("leaves no timer behind when the client is closed", async () => {
    const s = await openScene();
    await busy(s);
    s.client.subscribe("jobs");
    await settle();
    s.client.close();
    expect(s.env.timers.size).toBe(0);
  });

  test("does not hold anything back for long where the clock is set back", async () => {
    const s = await openScene();
    await busy(s);
    s.env.shift = -3_600_000;
    s.client.subscribe("jobs");
    await s.env.pass(10_000);
    expect(asked(s).at(-1)).toEqual(["subscribe", ["jobs"]]);
  });
});

describe("another transport", () => {
  /** A transport that a test moves. */
  function lent() {
    const sent: string[] = [];
    let state: ConnectionState = { status: "connecting", attempt: 1, since: 0, reason: null };
    let listener: TransportListener | undefined;
    const frame = (type: string, data: unknown) => listener?.frame({ type, data, timestamp: "" });
    const client = createClient({
      url: "/ws",
      environment: new FakeEnvironment(),
      transport: (_, given) => {
        listener = given;
        return {
          get state() {
            return state;
          },
          start() {},
          stop() {},
          send(text) {
            sent.push(text);
            // Answers before it returns.
            const { type, channels } = JSON.parse(text) as { type: string; channels: string[] };
            frame(`${type}d`, { channels });
            return true;
          },
        };
      },
    });
    const open = async (connectionId: string) => {
      state = { status: "open", connectionId, since: 0, reason: null };
      listener?.state(state);
      await settle();
    };
    return { client, sent, open };
  }

  test("may go from one connection to the next without a gap: everything is asked for again", async () => {
    const { client, sent, open } = lent();
    client.subscribe("jobs");
    await open("c1");
    await open("c2");
    expect(sent).toEqual(Array(2).fill('{"type":"subscribe","channels":["jobs"]}'));
  });

  test("may answer at once, and be asked again in the answer", async () => {
    const { client, sent, open } = lent();
    const remove = client.subscribe("jobs");
    await open("c1");
    expect(client.channel("jobs")).toEqual({ status: "subscribed" });
    client.once("unsubscribed", () => client.subscribe("jobs"));
    remove();
    await settle();
    expect(client.channel("jobs")).toEqual({ status: "subscribed" });
    expect(sent).toHaveLength(3);
  });

  test("may answer one frame before the next goes out, and what is asked for then is kept", async () => {
    const { client, sent, open } = lent();
    const remove = client.subscribe(names(150));
    await open("c1");
    client.once("unsubscribed", () => client.subscribe("c149"));
    remove();
    await settle();
    expect(sent.at(-1)).toBe('{"type":"subscribe","channels":["c149"]}');
    expect(client.channel("c149")).toEqual({ status: "subscribed" });
  });
});

describe("what the server says", () => {
  test("is pending, then subscribed, and pending again while there is no connection", async () => {
    const s = await openScene();
    const told: [string, ChannelState["status"] | undefined][] = [];
    s.client.onChannel((name) => told.push([name, s.client.channel(name)?.status]));
    expect(s.client.channel("jobs")).toBeUndefined();
    const remove = s.client.subscribe("jobs");
    await settle();
    await confirm(s, "jobs");
    await s.socket.end();
    await s.env.pass(1_000);
    await s.socket.welcome();
    await confirm(s, "jobs");
    remove();
    expect(told).toEqual([
      ["jobs", "pending"],
      ["jobs", "subscribed"],
      ["jobs", "pending"],
      ["jobs", "subscribed"],
      ["jobs", undefined],
    ]);
  });

  test("a refusal marks its channel, reaches onError, and leaves the others alone", async () => {
    const s = await openScene();
    s.client.subscribe(["jobs", "payments"]);
    await settle();
    await refuse(s, "payments");
    await confirm(s, "jobs");
    const error = { code: "forbidden", message: "not allowed", channel: "payments" };
    expect(s.client.channel("payments")).toEqual({ status: "refused", error });
    expect(s.client.channel("jobs")).toEqual({ status: "subscribed" });
    expect(s.errors).toEqual([error]);
    expect(s.client.state.status).toBe("open");
  });

  test("a refused channel is not asked for on this connection, but on the next: the token may be another", async () => {
    const s = await openScene();
    s.client.subscribe(["jobs", "payments"]);
    await settle();
    await refuse(s, "payments");
    s.client.subscribe("users");
    await settle();
    expect(asked(s).slice(1)).toEqual([["subscribe", ["users"]]]);
    await s.socket.end();
    await s.env.pass(1_000);
    await s.socket.welcome();
    expect(asked(s)).toEqual([["subscribe", ["jobs", "payments", "users"]]]);
    expect(s.client.channel("payments")).toEqual({ status: "pending" });
  });

  test("whoever gave a refused channel up and wants it again asks again; nothing is unsubscribed", async () => {
    const s = await openScene();
    const remove = s.client.subscribe("payments");
    await settle();
    await refuse(s, "payments");
    remove();
    await settle();
    expect(s.socket.sent).toHaveLength(1);
    s.client.subscribe("payments");
    await settle();
    expect(asked(s)[1]).toEqual(["subscribe", ["payments"]]);
    expect(s.client.channel("payments")).toEqual({ status: "pending" });
  });

  test("too many: the server names the first, and those after it in the frame are refused too", async () => {
    const s = await openScene();
    s.client.subscribe(["a", "b", "c", "d"]);
    await settle();
    await refuse(s, "b", "too_many_channels", "a connection has at most 1 channels");
    await confirm(s, "a");
    expect(["a", "b", "c", "d"].map((name) => s.client.channel(name)?.status)).toEqual([
      "subscribed",
      "refused",
      "refused",
      "refused",
    ]);
    expect(s.client.channel("d")).toMatchObject({ error: { code: "too_many_channels", channel: "d" } });
    expect(s.errors).toHaveLength(1);
  });

  test("too many: what was asked for again in a later frame waits for that one's answer", async () => {
    const s = await openScene();
    const remove = s.client.subscribe(["a", "b"]);
    await settle();
    remove();
    await settle();
    s.client.subscribe(["b"]);
    await settle();
    s.client.subscribe("a");
    await settle();
    await refuse(s, "a", "too_many_channels");
    expect(s.client.channel("b")).toEqual({ status: "pending" });
  });

  test("too many: whoever waits is asked for again as soon as there is room", async () => {
    const s = await openScene();
    const remove = s.client.subscribe("a");
    s.client.subscribe(["b", "c"]);
    await settle();
    await refuse(s, "b", "too_many_channels");
    await confirm(s, "a");
    remove();
    await settle();
    expect(asked(s).slice(1)).toEqual([
      ["unsubscribe", ["a"]],
      ["subscribe", ["b"]],
    ]);
    await confirm(s, "b");
    expect(s.client.channel("b")).toEqual({ status: "subscribed" });
    expect(s.client.channel("c")?.status).toBe("refused");
  });

  test("too many: what joins in the same turn goes before those that wait", async () => {
    const s = await openScene();
    const remove = s.client.subscribe("a");
    s.client.subscribe("b");
    await settle();
    await refuse(s, "b", "too_many_channels");
    await confirm(s, "a");
    remove();
    s.client.subscribe("c");
    await settle();
    expect(asked(s).slice(1)).toEqual([
      ["unsubscribe", ["a"]],
      ["subscribe", ["c"]],
    ]);
  });

  test("whoever gives a refused channel up and wants it in the same turn asks again", async () => {
    const s = await openScene();
    const remove = s.client.subscribe("payments");
    await settle();
    await refuse(s, "payments");
    remove();
    s.client.subscribe("payments");
    expect(s.client.channel("payments")).toEqual({ status: "pending" });
    await settle();
    expect(asked(s).slice(1)).toEqual([["subscribe", ["payments"]]]);
  });

  test("an error about a channel that is in force changes nothing of it", async () => {
    const s = await openScene();
    s.client.subscribe("jobs");
    await settle();
    await confirm(s, "jobs");
    await refuse(s, "jobs", "unavailable");
    await refuse(s, "never heard of");
    expect(s.client.channel("jobs")).toEqual({ status: "subscribed" });
    expect(s.errors).toHaveLength(2);
  });

  test("frames that look like answers and are none do no harm", async () => {
    const s = await openScene();
    s.client.subscribe("jobs");
    await settle();
    for (const data of [null, 7, { channels: "jobs" }, { channels: [7, null, "other"] }]) {
      await s.socket.say({ type: "subscribed", data });
    }
    expect(s.client.channel("jobs")).toEqual({ status: "pending" });
    await s.socket.say({ type: "error", data: null });
    expect(s.errors).toEqual([{ code: "undefined", message: "undefined" }]);
  });
});

describe("what cannot be asked for", () => {
  test("a name that is none is refused here, since it would spoil the frame of the others", async () => {
    const s = await openScene();
    const long = "x".repeat(201);
    s.client.subscribe(["jobs", "a b", "", long, 7 as never, undefined as never]);
    await settle();
    expect(asked(s)).toEqual([["subscribe", ["jobs"]]]);
    expect(s.errors.map(({ code }) => code)).toEqual(Array(5).fill("invalid_channel"));
    expect(s.client.channel("a b")).toEqual({
      status: "refused",
      error: {
        code: "invalid_channel",
        message: "A channel's name has 1 to 200 characters of A–Z a–z 0–9 _ - : . / @ =.",
        channel: "a b",
      },
    });
  });

  test("a name that is none is reported once, and stays refused on every connection", async () => {
    const s = await openScene();
    const told: string[] = [];
    s.client.onChannel((name) => told.push(name));
    const remove = s.client.subscribe("a b");
    const again = s.client.subscribe("a b");
    await s.socket.end();
    await s.env.pass(1_000);
    await s.socket.welcome();
    expect(s.socket.sent).toEqual([]);
    expect(s.client.channel("a b")?.status).toBe("refused");
    expect(s.errors).toHaveLength(1);
    remove();
    again();
    expect(s.client.channel("a b")).toBeUndefined();
    expect(told).toEqual(["a b", "a b"]);
  });

  test("more than 10,000 names are not kept, and that is said", async () => {
    const s = await openScene();
    const remove = s.client.subscribe(names(10_000));
    const more = s.client.subscribe(["one-too-many", "c0"]);
    expect(s.errors).toEqual([
      {
        code: "too_many_channels",
        message: "This client follows 10000 channels already.",
        channel: "one-too-many",
      },
    ]);
    expect(s.client.channel("one-too-many")).toBeUndefined();
    more();
    remove();
    await settle();
    s.client.subscribe("room-again");
    expect(s.client.channel("room-again")).toEqual({ status: "pending" });
  });

  test("listeners that follow and leave channels while they are told get what they ask for", async () => {
    const s = await openScene();
    const remove = s.client.subscribe("jobs");
    s.client.onError(({ channel }) => {
      if (channel !== "a b") return;
      remove();
      s.client.subscribe("instead");
    });
    s.client.subscribe("a b");
    await settle();
    const followed = new Set<string>();
    for (const { type, channels } of s.socket.frames) {
      for (const name of channels as string[]) {
        if (type === "subscribe") followed.add(name);
        else followed.delete(name);
      }
    }
    expect([...followed]).toEqual(["instead"]);
  });
});
