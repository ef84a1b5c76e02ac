// What a client says after the welcome, and what it makes of the answers. Where it stands in its streams: positions.test.ts.

import { describe, expect, test } from "vitest";
import { openScene, settle } from "../fakes.js";
import { at, EPOCH, event, following, frames, reconnect, start, tell, tokenOf } from "./playing.js";

describe("the first frame", () => {
  test("is one recoverable subscription to everything that is followed", async () => {
    const s = await openScene({ recovery: true, autoConnect: true });
    s.client.subscribe(["jobs", "payments"]);
    await settle();
    await s.socket.end();
    await s.env.pass(1_000);
    await s.socket.welcome();
    expect(s.socket.frames).toEqual([
      { type: "subscribe", channels: ["jobs", "payments"], recoverable: true },
    ]);
  });

  test("asks for recovery of what goes to everyone and to the user, too, where no channel is followed", async () => {
    const s = await start();
    expect(s.socket.frames).toEqual([{ type: "subscribe", channels: [], recoverable: true }]);
  });

  test("is the plain one where recovery is off", async () => {
    const s = await start({ recovery: false });
    expect(s.socket.sent).toEqual([]);
    s.client.subscribe("jobs");
    await settle();
    expect(s.socket.frames).toEqual([{ type: "subscribe", channels: ["jobs"] }]);
  });

  test("goes before what the application sends as the connection opens", async () => {
    const s = await following();
    s.client.onState(({ status }) => {
      if (status === "open") s.client.send("typing");
    });
    await reconnect(s);
    expect(s.socket.frames.map(({ type }) => type)).toEqual(["resume", "typing"]);
  });

  test("of a connection that broke in the turn of its welcome takes nothing along to the next one", async () => {
    const s = await following();
    let once = true;
    s.client.onState(({ status }) => {
      if (status !== "open" || !once) return;
      once = false;
      expect(s.client.send("typing")).toBe(true);
      expect(s.client.send("subscribe", { channels: ["x"] })).toBe(true);
    });
    await s.socket.end();
    await s.env.pass(1_000);
    const { socket } = s;
    socket.accept();
    socket.onmessage?.({ data: '{"type":"connected","data":{"connection_id":"c2"},"timestamp":""}' });
    socket.onclose?.({ code: 1006, reason: "" });
    await s.env.pass(3_000);
    expect(s.socket).not.toBe(socket);
    await s.socket.welcome("c3");
    await tell(s, { jobs: at(10, true) }, { type: "resumed", channels: ["jobs"] });
    expect(frames(s).map(({ type }) => type)).toEqual(["resume"]);
  });

  test("and all others stay below the server's rate limit, with ten thousand channels too", async () => {
    const s = await following();
    const names = Array.from({ length: 9_000 }, (_, n) => `c${n}`);
    s.client.subscribe(names);
    await reconnect(s);
    const sentAt: number[] = [];
    let read = 0;
    for (let second = 0; second <= 40; second++) {
      for (; read < s.socket.sent.length; read++) {
        const { type, channels } = JSON.parse(s.socket.sent[read] ?? "");
        if (type === "subscribe") await tell(s, { "@all": at(10, true) }, { channels });
        if (type === "resume")
          await s.socket.say({ type: "error", data: { code: "not_found", message: "" } });
      }
      sentAt.push(s.socket.sent.length);
      await s.env.pass(1_000);
    }
    for (const [second, sent] of sentAt.entries()) {
      expect(sent - (sentAt[second - 10] ?? 0)).toBeLessThan(90);
    }
    const asked = s.socket.frames.flatMap(({ channels }) => (channels as string[] | undefined) ?? []);
    expect(new Set(asked).size).toBe(9_001);
  });

  test("of 250 channels are three, and only the first has what was not asked for", async () => {
    const s = await following();
    s.client.subscribe(Array.from({ length: 249 }, (_, n) => `c${n}`));
    await reconnect(s, 1_000);
    await s.socket.say({ type: "error", data: { code: "not_found", message: "no such token" } });
    const asked = s.socket.frames.slice(1);
    expect(asked.map(({ channels }) => (channels as string[]).length)).toEqual([100, 100, 50]);
    expect(asked.map(({ positions }) => Object.keys(positions ?? {}))).toEqual([
      ["@all", "user:7", "jobs"],
      [],
      [],
    ]);
  });
});

describe("events until the answer", () => {
  test("are not let through twice: replay gives them again", async () => {
    const s = await start();
    await s.socket.say({ type: "early" });
    await tell(s, { "@all": at(3) });
    await event(s, "next", { "@all": 4 });
    expect(s.seen).toEqual(["next"]);
  });

  test("are let through, in order, where the server turns out not to recover", async () => {
    const s = await start();
    s.client.subscribe("jobs");
    await s.socket.say({ type: "one" });
    await s.socket.say({ type: "two" });
    expect(s.seen).toEqual([]);
    await s.socket.say({ type: "subscribed", data: { channels: [] } });
    expect(s.seen).toEqual(["one", "two"]);
    await s.socket.say({ type: "three" });
    expect(s.seen).toEqual(["one", "two", "three"]);
    expect(s.gaps).toEqual([]);
    expect(s.socket.frames.at(-1)).toEqual({ type: "subscribe", channels: ["jobs"] });
  });

  test("are held up to a bound; what is beyond it is told as a gap", async () => {
    const s = await start();
    for (let n = 0; n < 1_001; n++) await s.socket.say({ type: "flood" });
    await s.socket.say({ type: "subscribed", data: { channels: [] } });
    expect(s.seen).toHaveLength(1_000);
    expect(s.gaps).toEqual([["@all"]]);
  });

  test("are let through where the server refuses every channel and says no more", async () => {
    const s = await openScene({ recovery: true });
    s.client.subscribe(["payments", "wallets"]);
    await s.socket.end();
    await s.env.pass(1_000);
    await s.socket.welcome();
    const seen: string[] = [];
    s.client.onAny(({ type }) => seen.push(type));
    s.client.on("pong", () => seen.push("pong"));
    await s.socket.say({ type: "early" });
    for (const channel of ["payments", "wallets"]) {
      await s.socket.say({ type: "error", data: { code: "forbidden", message: "no", channel } });
    }
    const [, probe, ...more] = s.socket.frames;
    expect([probe?.type, more]).toEqual(["ping", []]);
    await s.socket.say({ type: "pong", data: probe?.data });
    expect(seen).toEqual(["early"]);
  });
});

describe("the state of a channel", () => {
  test("is subscribed after the answer, also to a resume that names it", async () => {
    const s = await following();
    expect(s.client.channel("jobs")).toEqual({ status: "subscribed" });
    await reconnect(s);
    expect(s.client.channel("jobs")).toEqual({ status: "pending" });
    await tell(s, { jobs: at(10, true) }, { type: "resumed", channels: ["jobs"] });
    expect(s.client.channel("jobs")).toEqual({ status: "subscribed" });
    expect(frames(s).map(({ type }) => type)).toEqual(["resume"]);
  });

  test("a later subscription is recoverable as well, and does not move what is counted already", async () => {
    const s = await following();
    await event(s, "one", { jobs: 11 });
    s.client.subscribe("payments");
    await settle();
    expect(frames(s).at(-1)).toEqual({ type: "subscribe", channels: ["payments"], recoverable: true });
    // The server is at 15 in jobs, but 12 to 15 are still on their way.
    await tell(
      s,
      { "@all": at(10), jobs: at(15), payments: at(3) },
      { channels: ["payments"], resume: "token-2" },
    );
    for (const offset of [12, 13, 14, 15]) await event(s, `${offset}`, { jobs: offset });
    await reconnect(s);
    expect(s.seen).toEqual(["one", "12", "13", "14", "15"]);
    expect(frames(s)).toEqual([
      {
        type: "resume",
        token: "token-2",
        positions: {
          "@all": { epoch: EPOCH, offset: 10 },
          "user:7": { epoch: EPOCH, offset: 10 },
          jobs: { epoch: EPOCH, offset: 15 },
          payments: { epoch: EPOCH, offset: 3 },
        },
      },
    ]);
    expect(s.gaps).toEqual([]);
  });

  test("a channel that was left and is followed again begins anew", async () => {
    const s = await following();
    s.client.unsubscribe("jobs");
    await settle();
    await event(s, "late", { jobs: 11 });
    s.client.subscribe("jobs");
    await settle();
    expect(frames(s).at(-1)).toEqual({ type: "subscribe", channels: ["jobs"], recoverable: true });
    await tell(s, { jobs: at(20) }, { channels: ["jobs"] });
    expect(s.gaps).toEqual([]);
    await event(s, "new", { jobs: 21 });
    expect(s.seen).toEqual(["late", "new"]);
    await reconnect(s);
    expect(frames(s)[0]).toMatchObject({ positions: { jobs: { offset: 21 } } });
  });
});

describe("resume", () => {
  test("gives the token and all positions, and works once", async () => {
    const s = await following();
    await event(s, "one", { jobs: 11, "user:7": 11 });
    await reconnect(s);
    expect(frames(s)).toEqual([
      {
        type: "resume",
        token: "token-1",
        positions: {
          "@all": { epoch: EPOCH, offset: 10 },
          "user:7": { epoch: EPOCH, offset: 11 },
          jobs: { epoch: EPOCH, offset: 11 },
        },
      },
    ]);
    // No answer came: the token may be used up.
    await reconnect(s, 2_000);
    expect(frames(s).map(({ type }) => type)).toEqual(["subscribe"]);
    expect(frames(s)[0]).toMatchObject({ positions: { jobs: { offset: 11 } }, channels: ["jobs"] });
  });

  test("takes the next token from each answer", async () => {
    const s = await following();
    await reconnect(s);
    const positions = { "@all": at(10, true), "user:7": at(10, true), jobs: at(10, true) };
    await tell(s, positions, { type: "resumed", channels: ["jobs"], resume: "token-2" });
    await s.env.pass(10_000);
    await reconnect(s);
    expect(frames(s)[0]).toMatchObject({ type: "resume", token: "token-2" });
  });

  test("that is refused becomes a subscription with the same positions, and is nobody's error", async () => {
    const s = await following();
    await reconnect(s);
    await s.socket.say({ type: "error", data: { code: "not_found", message: "no such token" } });
    expect(s.errors).toEqual([]);
    expect(frames(s).at(-1)).toEqual({
      type: "subscribe",
      channels: ["jobs"],
      recoverable: true,
      positions: {
        "@all": { epoch: EPOCH, offset: 10 },
        "user:7": { epoch: EPOCH, offset: 10 },
        jobs: { epoch: EPOCH, offset: 10 },
      },
    });
  });

  test("is not tried two minutes after the drop, nor where the clock was set back", async () => {
    for (const [shift, expected] of [
      [118_000, "resume"],
      [119_500, "subscribe"],
      [-10_000, "subscribe"],
    ] as const) {
      const s = await following();
      await s.socket.end();
      s.env.shift = shift;
      await s.env.pass(1_000);
      await s.socket.welcome();
      expect(frames(s)[0]?.type).toBe(expected);
    }
  });

  test("asks for channels that the answer does not name, and gives back what nobody follows", async () => {
    const s = await following();
    await s.socket.end();
    s.client.subscribe("payments");
    await s.env.pass(1_000);
    await s.socket.welcome();
    await tell(s, { jobs: at(10, true), left: at(4, true) }, { type: "resumed", channels: ["jobs", "left"] });
    expect(frames(s).slice(1)).toEqual([
      { type: "subscribe", channels: ["payments"], recoverable: true },
      { type: "unsubscribe", channels: ["left"] },
    ]);
    expect(s.client.channel("jobs")).toEqual({ status: "subscribed" });
    expect(s.client.channel("payments")).toEqual({ status: "pending" });
    expect(s.gaps).toEqual([]);
  });

  test("is not tried for a channel that was left meanwhile: its events would come too", async () => {
    const s = await following();
    await s.socket.end();
    s.client.unsubscribe("jobs");
    await s.env.pass(1_000);
    await s.socket.welcome();
    expect(frames(s)).toEqual([
      {
        type: "subscribe",
        channels: [],
        recoverable: true,
        positions: { "@all": { epoch: EPOCH, offset: 10 }, "user:7": { epoch: EPOCH, offset: 10 } },
      },
    ]);
  });

  test("the token is told to nobody", async () => {
    const s = await start();
    const heard: unknown[] = [];
    s.client.on("subscribed", (data) => heard.push(data));
    await tell(s, { "@all": at(3) });
    expect(heard).toEqual([{ channels: [], positions: { "@all": at(3) } }]);
  });
});

describe("another user", () => {
  const users = (...ids: (number | null)[]) => ({
    getToken: () => {
      const id = ids.length > 1 ? ids.shift() : ids[0];
      return id === null || id === undefined ? null : tokenOf(id);
    },
  });

  test("does not resume, and leaves the last one's own stream behind", async () => {
    const s = await start(users(7, 8));
    await settle();
    await s.socket.welcome();
    s.client.subscribe("jobs");
    await settle();
    await tell(s, { "@all": at(10), "user:7": at(10) });
    await tell(s, { "@all": at(10), "user:7": at(10), jobs: at(10) }, { channels: ["jobs"] });
    await reconnect(s);
    expect(frames(s)).toEqual([
      {
        type: "subscribe",
        channels: ["jobs"],
        recoverable: true,
        positions: { "@all": { epoch: EPOCH, offset: 10 }, jobs: { epoch: EPOCH, offset: 10 } },
      },
    ]);
    await tell(s, { "@all": at(10, true), "user:8": at(3), jobs: at(10, true) }, { channels: ["jobs"] });
    expect(s.gaps).toEqual([]);
  });

  test("the same one with another token resumes", async () => {
    const s = await following(users(7, 7));
    await reconnect(s);
    expect(frames(s)[0]).toMatchObject({ type: "resume", token: "token-1" });
  });

  test("whoever signs in does not resume what nobody was signed in to", async () => {
    const s = await start(users(null, 7));
    await s.socket.welcome();
    await tell(s, { "@all": at(10) });
    await reconnect(s);
    expect(frames(s)[0]).toMatchObject({ type: "subscribe", positions: { "@all": { offset: 10 } } });
  });
});

describe("a server without recovery", () => {
  test("is asked once per connection, and each reconnect is a gap", async () => {
    const s = await start();
    s.client.subscribe("jobs");
    await s.socket.say({ type: "subscribed", data: { channels: [] } });
    await s.socket.say({ type: "subscribed", data: { channels: ["jobs"] } });
    expect(s.gaps).toEqual([]);
    await reconnect(s);
    expect(frames(s)).toEqual([{ type: "subscribe", channels: ["jobs"], recoverable: true }]);
    await s.socket.say({ type: "subscribed", data: { channels: ["jobs"] } });
    expect(s.gaps).toEqual([["@all", "jobs"]]);
    expect(s.client.channel("jobs")).toEqual({ status: "subscribed" });
  });

  test("where there was one with recovery before: all that was followed is a gap", async () => {
    const s = await following();
    await s.env.pass(130_000);
    await s.socket.end();
    await s.env.pass(130_000);
    s.client.connect();
    await settle();
    await s.socket.welcome();
    await s.socket.say({ type: "error", data: { code: "unknown_type", message: "resume" } });
    await s.socket.say({ type: "subscribed", data: { channels: ["jobs"] } });
    expect(s.gaps).toEqual([["@all", "user:7", "jobs"]]);
    // What came in the plain form was not counted: with the old positions it would come again.
    await s.env.pass(6_000);
    await reconnect(s);
    expect(frames(s)).toEqual([{ type: "subscribe", channels: ["jobs"], recoverable: true }]);
  });

  test("that offers it after a restart: what was missed before cannot be had", async () => {
    const s = await start();
    s.client.subscribe("jobs");
    await s.socket.say({ type: "subscribed", data: { channels: [] } });
    await s.socket.say({ type: "subscribed", data: { channels: ["jobs"] } });
    await reconnect(s);
    await tell(s, { "@all": at(3), jobs: at(4), "user:7": at(1) }, { channels: ["jobs"] });
    expect(s.gaps).toEqual([["@all", "jobs", "user:7"]]);
  });

  test("without the option a reconnect is a gap as soon as the channels are in force", async () => {
    const s = await start({ recovery: false });
    await reconnect(s);
    expect(s.gaps).toEqual([["@all"]]);
    s.client.subscribe("jobs");
    await s.env.pass(6_000);
    await reconnect(s);
    expect(s.gaps).toHaveLength(1);
    await s.socket.say({ type: "subscribed", data: { channels: ["jobs"] } });
    expect(s.gaps.slice(1)).toEqual([["@all", "jobs"]]);
    await s.socket.say({ type: "subscribed", data: { channels: ["jobs"] } });
    expect(s.gaps).toHaveLength(2);
  });
});

describe("closing", () => {
  test("in a handler of what was held ends everything there", async () => {
    const s = await start();
    const heard: string[] = [];
    s.client.on("subscribed", () => heard.push("subscribed"));
    s.client.on("one", () => s.client.close());
    await s.socket.say({ type: "one" });
    await s.socket.say({ type: "two" });
    await s.socket.say({ type: "subscribed", data: { channels: [] } });
    expect([s.seen, heard]).toEqual([["one"], []]);
  });

  test("before the answer loses what was held, and says so where the server does not recover", async () => {
    const s = await start();
    await s.socket.say({ type: "one" });
    await reconnect(s);
    await s.socket.say({ type: "subscribed", data: { channels: [] } });
    expect([s.seen, s.gaps]).toEqual([[], [["@all"]]]);
    const other = await start();
    await other.socket.say({ type: "one" });
    await reconnect(other);
    await tell(other, { "@all": at(4) });
    expect([other.seen, other.gaps]).toEqual([[], []]);
  });

  test("keeps the positions for a later connect()", async () => {
    const s = await following();
    s.client.close();
    s.client.connect();
    await settle();
    await s.socket.welcome();
    expect(frames(s)[0]).toMatchObject({ positions: { jobs: { offset: 10 } } });
  });

  test("in a gap's listener ends everything there", async () => {
    const s = await following();
    s.client.onGap(() => s.client.close());
    s.client.on("resumed", () => s.seen.push("resumed"));
    s.client.subscribe("payments");
    await reconnect(s);
    const { socket } = s;
    const sent = socket.sent.length;
    await tell(s, { jobs: at(12, false) }, { type: "resumed", channels: ["jobs"] });
    expect(socket.sent).toHaveLength(sent);
    expect(s.seen).toEqual([]);
    expect(s.client.state.status).toBe("closed");
    expect(s.env.timers.size).toBe(0);
  });
});

describe("ack", () => {
  test("tells the server what was shown, 1,000 ids a frame", async () => {
    const s = await following();
    expect(s.client.ack("a")).toBe(true);
    expect(frames(s).at(-1)).toEqual({ type: "ack", ids: ["a"] });
    const ids = Array.from({ length: 2_500 }, (_, n) => `${n}`);
    s.client.ack(ids);
    const sent = frames(s).slice(-3) as unknown as { ids: string[] }[];
    expect(sent.map((frame) => frame.ids.length)).toEqual([1_000, 1_000, 500]);
    expect(sent.flatMap((frame) => frame.ids)).toEqual(ids);
    s.client.close();
    expect(s.client.ack("a")).toBe(false);
  });
});
