// What the compiler knows: `tsc` is the test, the assertions run for the record.

import type { EventMap, JobCreated } from "@fanfare/events";
import { describe, expectTypeOf, test } from "vitest";
import type { WebSocket as NodeWebSocket } from "ws";
import { type HistoryPage, history } from "../src/history.js";
import {
  type Client,
  createClient,
  type EventTypes,
  type FanfareEvent,
  type SocketConstructor,
} from "../src/index.js";
import { type Presence, presence, watchPresence } from "../src/presence.js";

const idle = { url: "ws://hub.test/ws", autoConnect: false } as const;

describe("with a map of events", () => {
  const client = createClient<EventMap>(idle);

  test("a handler knows the data of its type", () => {
    client.on("job_created", (data, event) => {
      expectTypeOf(data).toEqualTypeOf<JobCreated>();
      expectTypeOf(event.type).toEqualTypeOf<"job_created">();
      expectTypeOf(event.data.title).toEqualTypeOf<string>();
    });
    client.once("payment_held", (data) => expectTypeOf(data.amount_usd).toEqualTypeOf<number>());
  });

  test("other names are errors, and so is a wrong shape", () => {
    // @ts-expect-error no such event
    client.on("job_creatd", () => {});
    // @ts-expect-error no such event
    client.once("anything", () => {});
    // @ts-expect-error another shape
    client.on("job_created", (data: { amount_usd: number }) => data);
  });

  test("the server's own frames are known too", () => {
    client.on("connected", (data) => expectTypeOf(data.connection_id).toEqualTypeOf<string>());
    client.on("error", (data) => expectTypeOf(data.channel).toEqualTypeOf<string | undefined>());
  });

  test("any event is told apart by its type", () => {
    client.onAny((event) => {
      expectTypeOf(event.type).toEqualTypeOf<keyof EventMap>();
      if (event.type === "job_created") expectTypeOf(event.data).toEqualTypeOf<JobCreated>();
    });
  });

  test("a map may be an interface or a type", () => {
    interface Mine {
      tick: { n: number };
    }
    createClient<Mine>(idle).on("tick", ({ n }) => expectTypeOf(n).toEqualTypeOf<number>());
    createClient<{ tick: string }>(idle).on("tick", (text) => expectTypeOf(text).toEqualTypeOf<string>());
  });

  test("a function that is generic over the map passes types on", () => {
    function listen<Events, T extends keyof Events & string>(
      to: Client<Events>,
      type: T,
      handler: (data: Events[T], event: FanfareEvent<T, Events[T]>) => void,
    ) {
      return to.on(type, handler);
    }
    listen(client, "job_created", (data) => expectTypeOf(data).toEqualTypeOf<JobCreated>())();
  });
});

describe("without one", () => {
  const client = createClient(idle);

  test("every name will do, and its data is unknown", () => {
    expectTypeOf(client).toEqualTypeOf<Client<EventTypes>>();
    client.on("whatever", (data) => expectTypeOf(data).toBeUnknown());
    client.onAny((event) => {
      expectTypeOf(event.type).toBeString();
      expectTypeOf(event.data).toBeUnknown();
    });
  });

  test("the server's own frames are known all the same", () => {
    client.on("subscribed", (data) => expectTypeOf(data.channels).toEqualTypeOf<string[]>());
  });
});

describe("options", () => {
  test("take the WebSocket of the browser and that of ws", () => {
    expectTypeOf<typeof globalThis.WebSocket>().toExtend<SocketConstructor>();
    expectTypeOf<typeof NodeWebSocket>().toExtend<SocketConstructor>();
  });

  test("getToken may answer now or later, with null for none", () => {
    createClient({ ...idle, getToken: () => "t" });
    createClient({ ...idle, getToken: async (request) => (request === "unauthorized" ? null : "t") });
    // @ts-expect-error a number is no token
    createClient({ ...idle, getToken: () => 7 });
  });
});

test("a gap, an event's place and answers about channels have their shapes", () => {
  const client = createClient<EventMap>(idle);
  client.onGap(({ streams }) => expectTypeOf(streams).toEqualTypeOf<readonly string[]>());
  client.onAny((event) => {
    expectTypeOf(event.id).toEqualTypeOf<string | undefined>();
    expectTypeOf(event.also).toEqualTypeOf<Readonly<Record<string, number>> | undefined>();
  });
  expectTypeOf(client.ack).parameter(0).toEqualTypeOf<string | readonly string[]>();
  expectTypeOf(history<EventMap>).returns.resolves.toEqualTypeOf<HistoryPage>();
  expectTypeOf(presence<EventMap>).returns.resolves.toEqualTypeOf<Presence>();
  expectTypeOf(watchPresence<EventMap>)
    .parameter(0)
    .toEqualTypeOf<Client<EventMap>>();
});

test("a state is told apart by its status", () => {
  const { state } = createClient(idle);
  if (state.status === "open") expectTypeOf(state.connectionId).toBeString();
  if (state.status === "reconnecting") expectTypeOf(state.retryAt).toEqualTypeOf<number | null>();
  // @ts-expect-error states are values
  state.status = "closed";
});
