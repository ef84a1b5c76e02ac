// What the compiler knows. Nothing of this runs; the checks are made by tsc.

import type { ChannelState, Client, FanfareEvent } from "@fanfare/client";
import type { EventMap, JobAccepted, JobCreated } from "@fanfare/events";
import { expectTypeOf, it } from "vitest";
import {
  createHooks,
  type FanfareProviderProps,
  useChannel,
  useEvent,
  useFanfare,
  useWebSocket,
} from "../src/index.js";
import { type InvalidationMap, useQueryInvalidation } from "../src/query/index.js";
import { createOwnActions, type EventToastsProps } from "../src/toasts/index.js";

/** Compiled, never called. */
const compiled = (_: () => void) => {};

it("hooks of a map know the data of each event", () => {
  const hooks = createHooks<EventMap>();
  compiled(() => {
    hooks.useEvent("job_created", (data, event) => {
      expectTypeOf(data).toEqualTypeOf<JobCreated>();
      expectTypeOf(event).toEqualTypeOf<FanfareEvent<"job_created", JobCreated>>();
    });
    hooks.useEvent(["job_created", "job_accepted"], (data, event) => {
      expectTypeOf(data).toEqualTypeOf<JobCreated | JobAccepted>();
      if (event.type === "job_accepted") expectTypeOf(event.data).toEqualTypeOf<JobAccepted>();
    });
    // @ts-expect-error: no such event
    hooks.useEvent("job_creatd", () => {});
    const { on } = hooks.useWebSocket();
    on("job_accepted", (data) => expectTypeOf(data.worker_id).toEqualTypeOf<number>());
    // @ts-expect-error: no such event
    on("job_creatd", () => {});
    expectTypeOf(hooks.useFanfare()).toEqualTypeOf<Client<EventMap>>();
  });
});

it("without a map any text is a type, and data is unknown", () => {
  compiled(() => {
    useEvent("anything", (data, event) => {
      expectTypeOf(data).toBeUnknown();
      expectTypeOf(event.timestamp).toBeString();
    });
    useEvent(["a", "b"], (data) => expectTypeOf(data).toBeUnknown());
    expectTypeOf(useFanfare()).toEqualTypeOf<Client>();
    useWebSocket().on("anything", (data) => expectTypeOf(data).toBeUnknown());
  });
});

it("a channel has a state, null has none, several have several", () => {
  compiled(() => {
    expectTypeOf(useChannel("jobs")).toEqualTypeOf<ChannelState>();
    expectTypeOf(useChannel(null as string | null)).toEqualTypeOf<ChannelState | null>();
    expectTypeOf(useChannel(["jobs"])).toEqualTypeOf<readonly ChannelState[]>();
  });
});

it("a provider takes a client of any map, or options, not both", () => {
  expectTypeOf<{ client: Client<EventMap> }>().toExtend<FanfareProviderProps<EventMap>>();
  expectTypeOf<{ options: { url: string } }>().toExtend<FanfareProviderProps>();
  expectTypeOf<{ client: Client; options: { url: string } }>().not.toExtend<FanfareProviderProps>();
});

it("an invalidation map knows the events", () => {
  compiled(() => {
    useQueryInvalidation<EventMap>({
      job_created: ["jobs"],
      job_accepted: [["jobs"], ["wallet"]],
      job_completed: (data) => [["job", data.job_id]],
    });
    useQueryInvalidation({ anything: ["jobs"] });
  });
  expectTypeOf<{ job_creatd: string[] }>().not.toExtend<InvalidationMap<EventMap>>();
});

it("own actions know their names, and fit the toasts", () => {
  const own = createOwnActions();
  expectTypeOf(own.during).parameter(0).toEqualTypeOf<"post" | "accept" | "complete" | "cancel">();
  expectTypeOf(own).toExtend<NonNullable<EventToastsProps["own"]>>();
});
