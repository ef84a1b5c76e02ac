// Whatever is done, here and elsewhere, in whatever order answers and events come, doubled or lost with a gap told: in the end the inbox
// shows what the service has. A property over random walks; a failure prints its seed.

import fc from "fast-check";
import { expect, it } from "vitest";
import { scene } from "./scene.js";
import { settled } from "./service.js";

const id = fc.integer({ min: 1, max: 14 });
const step = fc.oneof(
  fc.record({ do: fc.constant("create" as const) }),
  fc.record({
    do: fc.constantFrom("read" as const, "unread" as const, "remove" as const, "restore" as const),
    id,
  }),
  fc.record({ do: fc.constantFrom("readAll" as const) }),
  fc.record({
    do: fc.constantFrom("markRead" as const, "markUnread" as const, "delete" as const, "deleteUndo" as const),
    id,
  }),
  fc.record({ do: fc.constantFrom("markAll" as const, "refresh" as const, "more" as const) }),
  fc.record({ do: fc.constantFrom("answerOne" as const, "answerAll" as const) }),
  fc.record({
    do: fc.constantFrom("tellAll" as const, "tellTwice" as const, "tellLate" as const, "tellNone" as const),
  }),
  fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 4_000 }) }),
  fc.record({ do: fc.constant("filter" as const), unread: fc.boolean() }),
);

it.each([
  ["with events", true],
  ["that is fetched every minute", false],
])("an inbox %s shows in the end what the service has", { timeout: 60_000 }, async (_, hasEvents) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const { begin, inbox, service, clock, titles, unread, count } = scene({
        pageSize: 3,
        ...(hasEvents ? {} : { live: null }),
      });
      await begin(4);
      service.holds = true;
      service.delays = true;
      for (const one of steps) {
        if (one.do === "create") service.create();
        else if (one.do === "read" || one.do === "unread") service.mark(one.id, one.do === "read");
        else if (one.do === "remove") service.remove(one.id);
        else if (one.do === "restore") service.restore(one.id);
        else if (one.do === "readAll") service.markAll();
        else if (one.do === "markRead") void inbox.markRead(one.id);
        else if (one.do === "markUnread") void inbox.markUnread(one.id);
        else if (one.do === "delete") inbox.remove(one.id);
        else if (one.do === "deleteUndo") void inbox.remove(one.id)();
        else if (one.do === "markAll") void inbox.markAllRead();
        else if (one.do === "refresh") void inbox.refresh();
        else if (one.do === "more") void inbox.loadMore();
        else if (one.do === "answerOne") await service.release(1);
        else if (one.do === "answerAll") await service.release();
        else if (one.do === "tellAll") service.deliver();
        else if (one.do === "tellTwice") service.deliver((events) => [...events, ...events]);
        else if (one.do === "tellLate") service.deliver((events) => events.reverse());
        else if (one.do === "pass") await clock.pass(one.ms);
        else if (one.do === "filter") inbox.setFilter({ unread: one.unread });
        else {
          // What is lost is told as a gap.
          service.deliver(() => []);
          service.gap();
        }
        await settled();
      }
      service.holds = false;
      for (let rounds = 0; rounds < 12; rounds += 1) {
        await service.release();
        service.deliver();
        await clock.pass(3_000);
      }
      if (!hasEvents) await clock.pass(61_000);
      expect(count()).toBe(service.unread);
      inbox.setFilter({ unread: false });
      await settled();
      while (inbox.getSnapshot().hasMore) await inbox.loadMore();
      expect(inbox.getSnapshot().status).toBe("ready");
      expect(titles()).toEqual(service.titles);
      const wanted = service.rows.filter(({ is_read, deleted }) => !is_read && !deleted);
      expect(unread()).toEqual(wanted.map(({ title }) => title));
      expect(count()).toBe(service.unread);
      inbox.stop();
    }),
    { numRuns: 150 },
  );
});
