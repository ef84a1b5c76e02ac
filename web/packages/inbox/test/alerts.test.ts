// @vitest-environment happy-dom
// How a person is told while they look elsewhere: a sound, once for all windows; a notification of the desktop, only while no window is
// looked at, and gone when it was read. What the browser offers is a stand-in here.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Alerts, createAlerts } from "../src/index.js";
import { scene } from "./scene.js";

let visibility: "visible" | "hidden";
let isUsed: boolean;
let played: string[];
let refusesToPlay: boolean;
let shown: FakeNotification[];
let asked: number;
let ends: (() => void)[];

class FakeNotification {
  static permission = "default";
  static requestPermission = async () => {
    asked += 1;
    FakeNotification.permission = "granted";
    return "granted";
  };
  onclick: (() => void) | null = null;
  onclose: (() => void) | null = null;
  isOpen = true;
  constructor(
    readonly title: string,
    readonly options: { tag: string; body: string; silent: boolean },
  ) {
    shown.push(this);
  }
  close() {
    this.isOpen = false;
    this.onclose?.();
  }
}

/** The browser's locks, as far as they are used. */
class FakeLocks {
  private held = new Set<string>();
  async request(name: string, _: object, run: (lock: object | null) => Promise<void>) {
    if (this.held.has(name)) return run(null);
    this.held.add(name);
    try {
      await run({});
    } finally {
      this.held.delete(name);
    }
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  visibility = "visible";
  isUsed = true;
  played = [];
  refusesToPlay = false;
  shown = [];
  asked = 0;
  ends = [];
  FakeNotification.permission = "default";
  localStorage.clear();
  vi.spyOn(document, "visibilityState", "get").mockImplementation(() => visibility);
  vi.stubGlobal("Notification", FakeNotification);
  vi.stubGlobal(
    "Audio",
    class {
      currentTime = 0;
      constructor(readonly src: string) {}
      play() {
        if (refusesToPlay) return Promise.reject(new DOMException("not allowed", "NotAllowedError"));
        played.push(this.src);
        return Promise.resolve();
      }
    },
  );
  vi.stubGlobal("navigator", {
    locks: new FakeLocks(),
    userActivation: {
      get hasBeenActive() {
        return isUsed;
      },
    },
  });
});
afterEach(() => {
  for (const end of ends) end();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** An inbox with the alerts of so many windows. */
async function windows(count = 1) {
  const made = scene();
  await made.begin(0);
  const alerts = Array.from({ length: count }, () => createAlerts(made.inbox));
  for (const one of alerts) ends.push(one.start());
  return { ...made, alerts: alerts as [Alerts, ...Alerts[]] };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("the sound", () => {
  it("is played once for all windows, and at most once in 2 s", async () => {
    const { service } = await windows(3);
    service.create();
    await pass(10);
    expect(played).toEqual(["/sounds/notification.mp3"]);
    service.create();
    await pass(1_000);
    service.create();
    await pass(900);
    expect(played.length).toBe(1);
    await pass(200);
    service.create();
    await pass(10);
    expect(played.length).toBe(2);
  });

  it("is as the event says: the user's preference and quiet hours are the service's to know", async () => {
    const { service } = await windows();
    service.create({}, false);
    await pass(10);
    expect(played).toEqual([]);
  });

  it("is not tried before somebody did something in the window, and a refusal is no error", async () => {
    const { service } = await windows(2);
    isUsed = false;
    service.create();
    await pass(10);
    expect(played).toEqual([]);
    isUsed = true;
    refusesToPlay = true;
    service.create();
    await pass(10);
    refusesToPlay = false;
    // Who could not play holds nobody back.
    service.create();
    await pass(10);
    expect(played.length).toBe(1);
  });

  it("is not played for what was fetched, restored or told twice", async () => {
    const { service, inbox } = await windows();
    service.create();
    await pass(3_000);
    service.remove(1);
    service.restore(1);
    service.tell("notification", {
      id: 1,
      title: "n1",
      unread_count: 1,
      sound: true,
      timestamp: "2026-11-22T00:00:00.000Z",
    });
    await inbox.refresh();
    await pass(10);
    expect(played.length).toBe(1);
  });
});

describe("a notification of the desktop", () => {
  it("is asked for only by who wants it, and shown only while no window is looked at", async () => {
    const { service, alerts } = await windows();
    visibility = "hidden";
    service.create();
    await pass(1_000);
    expect([shown.length, asked]).toEqual([0, 0]);
    expect(alerts[0].desktop()).toBe("off");
    expect(await alerts[0].setDesktop(true)).toBe("on");
    expect(asked).toBe(1);
    visibility = "visible";
    service.create();
    await pass(1_000);
    expect(shown).toEqual([]);
    visibility = "hidden";
    service.create({ title: "<b>Third</b>", message: "x".repeat(1_000) });
    await pass(1_000);
    expect(shown.map(({ title, options }) => [title, options.tag, options.body.length])).toEqual([
      ["<b>Third</b>", "fanfare-inbox-3", 200],
    ]);
  });

  it("goes when it was read or deleted, here or elsewhere, and when all were", async () => {
    const { service, alerts, inbox } = await windows();
    await alerts[0].setDesktop(true);
    visibility = "hidden";
    for (let made = 0; made < 4; made += 1) service.create();
    await pass(1_000);
    expect(shown.map(({ isOpen }) => isOpen)).toEqual([true, true, true, true]);
    service.mark(1, true);
    service.remove(2);
    await pass(1);
    expect(shown.map(({ isOpen }) => isOpen)).toEqual([false, false, true, true]);
    await inbox.markAllRead();
    expect(shown.some(({ isOpen }) => isOpen)).toBe(false);
  });

  it("what is read before it was shown is not shown; of many the oldest go", async () => {
    const { service, alerts } = await windows();
    await alerts[0].setDesktop(true);
    visibility = "hidden";
    service.create();
    service.mark(1, true);
    await pass(1_000);
    expect(shown).toEqual([]);
    for (let made = 0; made < 8; made += 1) service.create();
    await pass(1_000);
    expect(shown.filter(({ isOpen }) => isOpen).map(({ title }) => title)).toEqual([
      "n5",
      "n6",
      "n7",
      "n8",
      "n9",
    ]);
  });

  it("clicked, it brings the window and the notification", async () => {
    const made = scene();
    await made.begin(0);
    const opened: string[] = [];
    const alerts = createAlerts(made.inbox, { onOpen: ({ title }) => opened.push(title) });
    ends.push(alerts.start());
    await alerts.setDesktop(true);
    visibility = "hidden";
    made.service.create();
    await pass(1_000);
    shown[0]?.onclick?.();
    expect(opened).toEqual(["n1"]);
    expect(shown[0]?.isOpen).toBe(false);
  });

  it("where the browser has none, or refuses, or makes none on a phone, nothing breaks", async () => {
    const { service, alerts } = await windows();
    FakeNotification.permission = "denied";
    expect(alerts[0].desktop()).toBe("denied");
    vi.stubGlobal("Notification", undefined);
    expect(await alerts[0].setDesktop(true)).toBe("unsupported");
    const failing = Object.assign(
      class {
        constructor() {
          throw new TypeError("Illegal constructor");
        }
      },
      { permission: "granted", requestPermission: async () => "granted" },
    );
    vi.stubGlobal("Notification", failing);
    await alerts[0].setDesktop(true);
    visibility = "hidden";
    service.create();
    await pass(1_000);
    expect(shown).toEqual([]);
  });
});
