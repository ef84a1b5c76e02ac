// The preferences: loaded, changed one after the other, taken back where the service refuses.

import { expect, it } from "vitest";
import { scene } from "./scene.js";
import { problem, settled } from "./service.js";

it("are loaded when somebody asks, once at a time", async () => {
  const { inbox, service } = scene();
  const { preferences } = inbox;
  expect(preferences.getSnapshot()).toMatchObject({ status: "idle", value: null });
  await Promise.all([preferences.load(), preferences.load()]);
  expect(service.asked("GET", /preferences/).length).toBe(1);
  expect(preferences.getSnapshot()).toMatchObject({
    status: "ready",
    value: {
      categories: { jobs: { in_app: true, push: true, sound: false } },
      quiet_hours: null,
      locale: "en",
    },
  });
});

it("a change is shown at once, and saved after the one before", async () => {
  const { inbox, service } = scene();
  const { preferences } = inbox;
  await preferences.load();
  service.holds = true;
  const saves = [
    preferences.save({ categories: { jobs: { sound: true } } }),
    preferences.save({ categories: { payments: { push: false } } }),
  ];
  expect(preferences.getSnapshot()).toMatchObject({
    isSaving: true,
    value: { categories: { jobs: { sound: true, push: true }, payments: { push: false, in_app: true } } },
  });
  await settled();
  expect(service.asked("PUT", /preferences/).length).toBe(1);
  await service.release();
  await service.release();
  expect(await Promise.all(saves)).toEqual([true, true]);
  expect(preferences.getSnapshot()).toMatchObject({ isSaving: false, failure: null });
  expect(preferences.getSnapshot().savedAt).not.toBe(null);
});

it("what the service refuses is taken back, with what it said of which member", async () => {
  const { inbox, service } = scene();
  const { preferences } = inbox;
  await preferences.load();
  const errors = [{ member: "quiet_hours.time_zone", message: "is no time zone" }];
  service.answer = ({ method }) => (method === "PUT" ? problem(422, "not valid", { errors }) : null);
  const quiet_hours = { enabled: true, start: "22:00", end: "07:00", time_zone: "Europe/Nowhere" };
  expect(await preferences.save({ quiet_hours })).toBe(false);
  expect(preferences.getSnapshot()).toMatchObject({
    value: { quiet_hours: null },
    failure: { code: "invalid", errors },
  });
  service.answer = () => null;
  expect(await preferences.save({ quiet_hours: { ...quiet_hours, time_zone: "Europe/Berlin" } })).toBe(true);
  expect(preferences.getSnapshot().value?.quiet_hours?.time_zone).toBe("Europe/Berlin");
});

it("that can't be loaded, or are none, are a failure that can be tried again", async () => {
  const { inbox, service } = scene();
  const { preferences } = inbox;
  for (const answer of [
    () => problem(503, "away"),
    () => Response.json([]),
    () => Response.json({ default: null }),
  ]) {
    service.answer = answer;
    expect(await preferences.load()).toBe(false);
    expect(preferences.getSnapshot()).toMatchObject({ status: "failed", value: null });
  }
  service.answer = () => null;
  expect(await preferences.load()).toBe(true);
});
