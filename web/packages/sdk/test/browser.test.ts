// The platform's environment: what of a page it listens to, and that it misses nothing where there is no page.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { platformEnvironment } from "../src/index.js";

/** Counts what is listened to. */
class Target extends EventTarget {
  readonly listened: string[] = [];
  override addEventListener(type: string, run: EventListener): void {
    this.listened.push(type);
    super.addEventListener(type, run);
  }
  override removeEventListener(type: string, run: EventListener): void {
    this.listened.splice(this.listened.indexOf(type), 1);
    super.removeEventListener(type, run);
  }
}

describe("in a page", () => {
  let window: Target;
  let document: Target & { visibilityState?: string };
  let told: string[];
  const watch = () =>
    platformEnvironment.watch({
      online: () => told.push("online"),
      offline: () => told.push("offline"),
      wake: () => told.push("wake"),
    });

  beforeEach(() => {
    told = [];
    window = new Target();
    document = new Target();
    vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
    vi.stubGlobal("removeEventListener", window.removeEventListener.bind(window));
    vi.stubGlobal("document", document);
  });
  afterEach(() => vi.unstubAllGlobals());

  test("tells of the network, of a page that is shown, comes back from the cache, or is unfrozen", () => {
    watch();
    window.dispatchEvent(new Event("offline"));
    window.dispatchEvent(new Event("online"));
    document.visibilityState = "hidden";
    document.dispatchEvent(new Event("visibilitychange"));
    expect(told).toEqual(["offline", "online"]);
    document.visibilityState = "visible";
    document.dispatchEvent(new Event("visibilitychange"));
    document.dispatchEvent(new Event("resume"));
    window.dispatchEvent(new Event("pageshow"));
    window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    expect(told).toEqual(["offline", "online", "wake", "wake", "wake"]);
  });

  test("listens to nothing any more after the removal", () => {
    watch()();
    expect(window.listened).toEqual([]);
    expect(document.listened).toEqual([]);
    window.dispatchEvent(new Event("online"));
    expect(told).toEqual([]);
  });

  test("says whether there is a network", () => {
    vi.stubGlobal("navigator", { onLine: false });
    expect(platformEnvironment.online()).toBe(false);
    vi.stubGlobal("navigator", { onLine: true });
    expect(platformEnvironment.online()).toBe(true);
  });
});

describe("without a page", () => {
  afterEach(() => vi.unstubAllGlobals());

  test("there is nothing to watch, and a network as far as is known", () => {
    for (const name of ["addEventListener", "document", "navigator"]) vi.stubGlobal(name, undefined);
    expect(() => platformEnvironment.watch({ online() {}, offline() {}, wake() {} })()).not.toThrow();
    expect(platformEnvironment.online()).toBe(true);
    vi.stubGlobal("navigator", {});
    expect(platformEnvironment.online()).toBe(true);
  });

  test("a time that setTimeout does not know is the longest that it knows", () => {
    const spy = vi.spyOn(globalThis, "setTimeout");
    const timer = platformEnvironment.setTimeout(() => {}, Number.POSITIVE_INFINITY);
    expect(spy.mock.calls[0]?.[1]).toBe(2 ** 31 - 1);
    platformEnvironment.clearTimeout(timer);
    spy.mockRestore();
  });
});
