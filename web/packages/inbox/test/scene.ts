// An inbox at a service in memory, begun or not yet.

import { createInbox } from "../src/index.js";
import type { InboxOptions } from "../src/types.js";
import { FakeClock, FakeService, settled } from "./service.js";

/** What tests of an inbox work with. */
export function scene(options: Partial<InboxOptions> = {}) {
  const service = new FakeService();
  const clock = new FakeClock();
  const inbox = createInbox({
    baseUrl: "http://service.test/",
    getToken: () => "good",
    live: service.live,
    fetch: service.fetch,
    clock,
    ...options,
  });
  return {
    service,
    clock,
    inbox,
    /** Begins, with so many notifications at the service. */
    async begin(count = 0) {
      for (let made = 0; made < count; made += 1) service.create();
      inbox.start();
      await settled();
    },
    titles: () => inbox.getSnapshot().items.map(({ title }) => title),
    /** Those that are shown as unread. */
    unread: () =>
      inbox
        .getSnapshot()
        .items.filter(({ is_read }) => !is_read)
        .map(({ title }) => title),
    count: () => inbox.getSnapshot().unreadCount,
  };
}
