// Requests of tabs that share a connection: each tab gets its own answers and nobody else's.

import { expect, it } from "vitest";
import { RequestError } from "../../src/index.js";
import { type Page, World } from "./world.js";

async function two(): Promise<[World, Page, Page]> {
  const world = new World();
  const [leading, following] = [world.page(), world.page()];
  for (const page of [leading, following]) {
    page.open();
    await world.settle();
  }
  world.hub.answers = false;
  world.hub.log.length = 0;
  return [world, leading, following];
}

const refs = (world: World) => world.hub.log.map((frame) => (frame as unknown as { ref: string }).ref);

it("answers requests of two tabs that have the same number, each in its tab alone", async () => {
  const [world, leading, following] = await two();
  const heard: unknown[] = [];
  for (const page of [leading, following]) {
    page.client.on("ack", ({ ref, answer }) => heard.push([page.name, ref, answer.success]));
  }
  const asked = [leading.client.request("send_message"), following.client.request("send_message")];
  await world.settle();
  const [first = "", second = ""] = refs(world);
  expect(new Set([first, second]).size).toBe(2);
  world.hub.one.say("ack", { event: "send_message", ref: second, answer: { success: true, id: 2 } });
  world.hub.one.say("ack", { event: "send_message", ref: first, answer: { success: true, id: 1 } });
  await world.settle();
  expect(await Promise.all(asked)).toEqual([
    { success: true, id: 1 },
    { success: true, id: 2 },
  ]);
  expect(heard).toEqual([
    ["page-1", "1", true],
    ["page-2", "1", true],
  ]);
  expect([leading.got(), following.got()]).toEqual([[], []]);
});

it("gives the answer to what a tab sent by itself to all tabs", async () => {
  const [world, leading, following] = await two();
  const heard: unknown[] = [];
  for (const page of [leading, following])
    page.client.on("ack", ({ ref }) => heard.push(`${page.name} ${ref ?? "none"}`));
  following.client.send("typing", { ref: "mine:7x" });
  await world.settle();
  world.hub.one.say("ack", { event: "typing", ref: "mine:7x", answer: { success: true } });
  world.hub.one.say("ack", { event: "typing", answer: { success: true } });
  await world.settle();
  expect(heard.sort()).toEqual(["page-1 mine:7x", "page-1 none", "page-2 mine:7x", "page-2 none"]);
});

it("ends a tab's requests when the leading tab dies, and the next one does not send them again", async () => {
  const [world, leading, following] = await two();
  const asked = following.client.request("send_message").catch((error: unknown) => error);
  await world.settle();
  leading.die();
  await world.advance(20_000);
  const error = await asked;
  expect(error).toBeInstanceOf(RequestError);
  expect((error as RequestError).code).toBe("lost");
  expect(following.status).toBe("open");
  expect(world.hub.log.filter(({ type }) => type === "send_message")).toHaveLength(1);
});
