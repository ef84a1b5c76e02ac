// @vitest-environment happy-dom
// What people see of the toasts: how many, how long, in which words, and with which keys they go.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createToaster, type Toaster, type ToasterOptions } from "../../src/toast/index.js";

let toaster: Toaster;

beforeEach(() => {
  vi.useFakeTimers();
  document.body.innerHTML = "<button id='before'>Before</button><input id='field'>";
  motion(false);
});

afterEach(() => {
  toaster?.destroy();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function motion(wanted: boolean): void {
  vi.spyOn(window, "matchMedia").mockImplementation((query: string) => {
    return { matches: query.includes("reduced-motion") && !wanted, media: query } as MediaQueryList;
  });
}

function make(options?: ToasterOptions): Toaster {
  toaster = createToaster(options);
  return toaster;
}

const all = (selector: string): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(selector)];
const texts = (selector: string): (string | null)[] => all(selector).map((element) => element.textContent);
const titles = (): (string | null)[] => texts(".fanfare-toast-title");
const visible = (selector: string): (string | null)[] =>
  all(selector)
    .filter((element) => !element.hidden)
    .map((element) => element.textContent);
const pressEscape = (target: EventTarget = document.body): boolean =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true }));

function button(title: string): HTMLButtonElement {
  const found = document.querySelector<HTMLButtonElement>(`button[aria-label="Close: ${title}"]`);
  if (!found) throw new Error(`no toast ${title}`);
  return found;
}

describe("one toast", () => {
  it("shows title, message and icon, and goes after five seconds", () => {
    make().show({ title: "Job accepted", message: "Wanda Worker, $25.00", kind: "success", icon: "🎉" });
    expect(titles()).toEqual(["Job accepted"]);
    expect(texts(".fanfare-toast-message")).toEqual(["Wanda Worker, $25.00"]);
    expect(texts(".fanfare-toast-icon")).toEqual(["🎉"]);
    vi.advanceTimersByTime(4_999);
    expect(titles()).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(titles()).toEqual([]);
  });

  it("stays as long as it asks to, and for good with Infinity or 0", () => {
    const { show } = bound(make({ duration: 1_000 }));
    show({ title: "long", duration: 9_000 });
    show({ title: "endless", duration: Number.POSITIVE_INFINITY });
    show({ title: "zero", duration: 0 });
    vi.advanceTimersByTime(8_999);
    expect(titles()).toEqual(["zero", "endless", "long"]);
    vi.advanceTimersByTime(1e9);
    expect(titles()).toEqual(["zero", "endless"]);
  });

  it("shows text from others as text", () => {
    make().show({ title: "<img src=x onerror=alert(1)>", message: "<b>bold</b>", icon: "<i>" });
    expect(all(".fanfare-toasts img, .fanfare-toasts b, .fanfare-toasts i")).toEqual([]);
    expect(titles()).toEqual(["<img src=x onerror=alert(1)>"]);
  });

  it("cuts a text beside an emoji, never within one", () => {
    const { show } = bound(make());
    show({ title: `t${"🎉".repeat(150)}` });
    show({ title: "🎉".repeat(150) });
    expect(titles()).toEqual([`${"🎉".repeat(99)}…`, `t${"🎉".repeat(99)}…`]);
  });

  it("cuts a text that would fill the page", () => {
    make().show({ title: "t".repeat(5_000), message: "m".repeat(50_000) });
    expect(titles()[0]).toHaveLength(200);
    expect(texts(".fanfare-toast-message")[0]).toHaveLength(500);
  });

  it("is read out politely, and an error at once and with the word", () => {
    const { show } = bound(make());
    const polite = document.querySelector("[aria-live=polite]");
    const assertive = document.querySelector("[aria-live=assertive]");
    show({ title: "PDF ready", message: "report.pdf", kind: "success" });
    show({ title: "Payment failed", kind: "error" });
    expect(polite?.textContent).toBe("PDF ready. report.pdf");
    expect(assertive?.textContent).toBe("Error: Payment failed");
    vi.advanceTimersByTime(5_000);
    expect(polite?.textContent).toBe("");
  });
});

describe("time", () => {
  it("stands still under the pointer and goes on after it", () => {
    make().show({ title: "read me" });
    vi.advanceTimersByTime(4_000);
    const list = all(".fanfare-toasts ol")[0];
    list?.dispatchEvent(new Event("pointerenter"));
    vi.advanceTimersByTime(60_000);
    expect(titles()).toEqual(["read me"]);
    list?.dispatchEvent(new Event("pointerleave"));
    vi.advanceTimersByTime(999);
    expect(titles()).toEqual(["read me"]);
    vi.advanceTimersByTime(1);
    expect(titles()).toEqual([]);
  });

  it("stands still while a toast has the focus", async () => {
    make().show({ title: "read me" });
    button("read me").focus();
    vi.advanceTimersByTime(60_000);
    expect(titles()).toEqual(["read me"]);
    document.getElementById("before")?.focus();
    await Promise.resolve();
    vi.advanceTimersByTime(5_000);
    expect(titles()).toEqual([]);
  });

  it("stands still while the page is hidden", () => {
    const state = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
    make().show({ title: "unseen" });
    vi.advanceTimersByTime(60_000);
    expect(titles()).toEqual(["unseen"]);
    state.mockReturnValue("visible");
    document.dispatchEvent(new Event("visibilitychange"));
    vi.advanceTimersByTime(5_000);
    expect(titles()).toEqual([]);
  });
});

describe("many toasts", () => {
  it("shows three, says how many wait, and shows them in their turn", () => {
    const { show } = bound(make());
    for (const title of ["a", "b", "c", "d", "e"]) show({ title });
    expect(titles()).toEqual(["c", "b", "a"]);
    expect(visible(".fanfare-toasts-rest")).toEqual(["2 more"]);
    button("b").click();
    expect(titles()).toEqual(["d", "c", "a"]);
    expect(visible(".fanfare-toasts-rest")).toEqual(["1 more"]);
    vi.advanceTimersByTime(5_000);
    expect(titles()).toEqual(["e"]);
    expect(visible(".fanfare-toasts-rest")).toEqual([]);
  });

  it("counts the rest of a group on its newest toast", () => {
    const { show } = bound(make({ labels: { more: (n, group) => `${n} more ${group ?? ""}`.trim() } }));
    for (let job = 1; job <= 50; job += 1) show({ title: `job ${job}`, group: "jobs" });
    expect(titles()).toEqual(["job 3", "job 2", "job 1"]);
    expect(visible(".fanfare-toast-more")).toEqual(["47 more jobs"]);
    expect(visible(".fanfare-toasts-rest")).toEqual([]);
    vi.advanceTimersByTime(5_000);
    expect(titles()).toEqual([]);
  });

  it("leaves a number on screen long enough to be read, but not for ever", () => {
    const { show } = bound(make({ max: 1 }));
    show({ title: "first", group: "jobs" });
    for (let seconds = 0; seconds < 4; seconds += 1) {
      vi.advanceTimersByTime(1_000);
      show({ title: "another", group: "jobs" });
    }
    vi.advanceTimersByTime(1_999);
    expect(visible(".fanfare-toast-more")).toEqual(["4 more"]);
    vi.advanceTimersByTime(1);
    expect(titles()).toEqual([]);
  });

  it("gathers a group that waits into one", () => {
    const { show } = bound(make());
    for (const title of ["a", "b", "c"]) show({ title });
    for (let job = 1; job <= 4; job += 1) show({ title: `job ${job}`, group: "jobs" });
    expect(visible(".fanfare-toasts-rest")).toEqual(["4 more"]);
    button("a").click();
    expect(titles()).toEqual(["job 1", "c", "b"]);
    expect(visible(".fanfare-toast-more")).toEqual(["3 more"]);
  });

  it("shows an error before all others that wait", () => {
    const { show } = bound(make({ max: 1 }));
    for (const title of ["a", "b"]) show({ title });
    show({ title: "failed", kind: "error" });
    button("a").click();
    expect(titles()).toEqual(["Error: failed"]);
  });

  it("keeps twenty waiting, and only counts what gave way", () => {
    const { show } = bound(make({ max: 1 }));
    for (let n = 0; n <= 1_000; n += 1) show({ title: `n${n}` });
    expect(visible(".fanfare-toasts-rest")).toEqual(["1000 more"]);
    const seen: (string | null)[] = [];
    while (titles().length > 0) {
      seen.push(...titles());
      vi.advanceTimersByTime(5_000);
    }
    expect(seen).toEqual(["n0", ...Array.from({ length: 20 }, (_, n) => `n${981 + n}`)]);
    expect(visible(".fanfare-toasts-rest")).toEqual([]);
  });

  it("an error does not give way to what is no error", () => {
    const { show } = bound(make({ max: 1, maxWaiting: 1 }));
    show({ title: "shown" });
    show({ title: "failed", kind: "error" });
    show({ title: "news" });
    button("shown").click();
    expect(titles()).toEqual(["Error: failed"]);
  });
});

describe("closing", () => {
  it("gives the place free only after the toast has left the screen", () => {
    motion(true);
    const { show } = bound(make({ max: 1 }));
    show({ title: "old" });
    show({ title: "new" });
    button("old").click();
    expect(titles()).toEqual(["old"]);
    vi.advanceTimersByTime(160);
    expect(titles()).toEqual(["new"]);
  });

  it("Escape closes the newest, and the one with the focus first", () => {
    const { show } = bound(make());
    for (const title of ["a", "b", "c"]) show({ title });
    pressEscape();
    expect(titles()).toEqual(["b", "a"]);
    button("a").focus();
    pressEscape(button("a"));
    expect(titles()).toEqual(["b"]);
  });

  it("Escape in a field, in a dialog or already used is none of the toasts'", () => {
    make().show({ title: "stays" });
    const field = document.getElementById("field");
    if (field) pressEscape(field);
    document.body.addEventListener("keydown", (event) => event.preventDefault(), { once: true });
    pressEscape();
    expect(titles()).toEqual(["stays"]);
  });

  it("the focus goes to a toast that is left, and then back where it came from", () => {
    const before = document.getElementById("before");
    const { show } = bound(make());
    show({ title: "a" });
    show({ title: "b" });
    before?.focus();
    button("a").dispatchEvent(new FocusEvent("focusin", { bubbles: true, relatedTarget: before }));
    button("a").focus();
    button("a").click();
    expect(document.activeElement).toBe(button("b"));
    button("b").click();
    expect(document.activeElement).toBe(before);
  });

  it("dismiss takes one, whether shown or waiting, or all", () => {
    const { show } = bound(make({ max: 1 }));
    const first = show({ title: "a" });
    const second = show({ title: "b" });
    show({ title: "c" });
    toaster.dismiss(second);
    toaster.dismiss(first);
    toaster.dismiss(first);
    expect(titles()).toEqual(["c"]);
    show({ title: "d" });
    toaster.dismiss();
    expect(titles()).toEqual([]);
    vi.advanceTimersByTime(10_000);
    expect(titles()).toEqual([]);
  });
});

describe("the page", () => {
  it("gets #toast-container with a name, and is clean after destroy", () => {
    const sheets = document.adoptedStyleSheets.length;
    const elements = document.querySelectorAll("*").length;
    make().show({ title: "a" });
    const container = document.getElementById("toast-container");
    expect(container?.getAttribute("role")).toBe("region");
    expect(container?.getAttribute("aria-label")).toBe("Notifications");
    toaster.destroy();
    expect(document.querySelectorAll("*").length).toBe(elements);
    expect(document.adoptedStyleSheets.length).toBe(sheets);
    expect(toaster.show({ title: "late" })).toBe(0);
    vi.advanceTimersByTime(10_000);
  });

  it("uses a container that is there, and leaves it there", () => {
    const container = document.createElement("section");
    document.body.append(container);
    make({ container }).show({ title: "a" });
    expect(container.querySelector(".fanfare-toast-title")?.textContent).toBe("a");
    expect(document.getElementById("toast-container")).toBeNull();
    toaster.destroy();
    expect(container.isConnected).toBe(true);
    expect(container.childElementCount).toBe(0);
  });

  it("has one style sheet for all toasters, and no style attribute", () => {
    const sheets = document.adoptedStyleSheets.length;
    make().show({ title: "a", kind: "error" });
    const other = createToaster({ container: document.createElement("div") });
    expect(document.adoptedStyleSheets.length).toBe(sheets + 1);
    expect(all("[style]")).toEqual([]);
    other.destroy();
    expect(document.adoptedStyleSheets.length).toBe(sheets + 1);
  });

  it("takes a style element with the nonce where style sheets can't be made", () => {
    vi.spyOn(CSSStyleSheet.prototype, "replaceSync").mockImplementation(() => {
      throw new Error("not here");
    });
    make({ nonce: "n0nce" });
    const style = document.head.querySelector("style");
    expect(style?.nonce).toBe("n0nce");
    expect(style?.textContent).toContain("z-index: 10000");
    toaster.destroy();
    expect(document.head.querySelector("style")).toBeNull();
  });

  it("names everything in the app's words", () => {
    make({ labels: { region: "Meldungen", close: "Schließen", kinds: { ...words, error: "Fehler" } } });
    toaster.show({ title: "Zahlung fehlgeschlagen", kind: "error" });
    expect(document.querySelector("[role=region]")?.getAttribute("aria-label")).toBe("Meldungen");
    expect(document.querySelector("button[aria-label='Schließen: Zahlung fehlgeschlagen']")).not.toBeNull();
    expect(titles()).toEqual(["Fehler: Zahlung fehlgeschlagen"]);
  });
});

const words = { success: "", info: "", warning: "" };

function bound(toaster: Toaster): { show: Toaster["show"] } {
  return { show: (toast) => toaster.show(toast) };
}
