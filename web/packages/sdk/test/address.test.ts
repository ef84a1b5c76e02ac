// Addresses: what a developer may write, what becomes of it, and the words for what cannot be one.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { inState, scene } from "./fakes.js";

const page = (href: string) => vi.stubGlobal("location", new URL(href));

beforeEach(() => vi.stubGlobal("location", undefined));
afterEach(() => vi.unstubAllGlobals());

describe("the address", () => {
  test.each([
    ["ws://hub.test/ws", "ws://hub.test/ws"],
    ["wss://hub.test/ws?v=1", "wss://hub.test/ws?v=1"],
    ["http://hub.test:8080/ws", "ws://hub.test:8080/ws"],
    ["https://hub.test/ws", "wss://hub.test/ws"],
    ["https://hub.test/ws#part", "wss://hub.test/ws"],
    ["HTTPS://hub.test", "wss://hub.test"],
    [new URL("https://hub.test/ws"), "wss://hub.test/ws"],
  ])("%s is %s", async (url, expected) => {
    expect((await scene({ url })).socket.url).toBe(expected);
  });

  test.each([
    ["http://app.test/jobs/7", "/ws", "ws://app.test/ws"],
    ["https://app.test/jobs/7", "/ws", "wss://app.test/ws"],
    ["https://app.test/jobs/7", "ws", "wss://app.test/jobs/ws"],
    ["https://app.test/", "//hub.test/ws", "wss://hub.test/ws"],
    ["https://app.test/", "wss://hub.test/ws", "wss://hub.test/ws"],
  ])("on the page %s, %s is %s", async (href, url, expected) => {
    page(href);
    expect((await scene({ url })).socket.url).toBe(expected);
  });

  test("is left as it is where it is a URL", async () => {
    const url = new URL("https://hub.test/ws#part");
    await scene({ url, token: "not a subprotocol" });
    expect(url.href).toBe("https://hub.test/ws#part");
  });

  test.each([
    "",
    "/ws",
    "hub.test/ws",
    "ftp://hub.test/",
    "ws://",
    "ws:///ws",
    "ws://a b/",
    "mailto:a@b.test",
  ])("%j is none without a page, and says so", async (url) => {
    const s = await scene({ url });
    const { reason } = inState(s, "closed");
    expect(reason.code).toBe("invalid_url");
    expect(reason.message).toBe(
      `"${url}" is not the address of a hub. It must look like wss://example.com/ws, or /ws in a page.`,
    );
    expect(s.sockets).toHaveLength(0);
    expect(s.states).toHaveLength(1);
  });

  test.each(["", "  ", undefined, null])(
    "%j, as from a variable that is not set, is none in a page either",
    async (url) => {
      page("https://app.test/jobs?page=2");
      const s = await scene({ url: url as never });
      expect(inState(s, "closed").reason.message).toMatch(/^".*" is not the address of a hub\. /);
      expect(s.sockets).toHaveLength(0);
    },
  );

  test("that is none does not put its token into the words", async () => {
    const s = await scene({ url: "/ws?token=secret" });
    expect(inState(s, "closed").reason.message).not.toContain("secret");
  });

  test("is what was written where URL changes what it is given and cannot be asked, as in React Native", async () => {
    class Odd {
      readonly href: string;
      constructor(url: string, base?: string) {
        if (!base && !/^[a-z]+:/.test(url)) throw new TypeError("Invalid base URL");
        this.href = `${url}/`;
      }
      get protocol(): string {
        throw new Error("not implemented");
      }
      toString(): string {
        return this.href;
      }
    }
    vi.stubGlobal("URL", Odd);
    expect((await scene({ url: "https://hub.test/ws?v=1" })).socket.url).toBe("wss://hub.test/ws?v=1");
    expect(inState(await scene({ url: "/ws" }), "closed").reason.code).toBe("invalid_url");
  });

  test("a path in a page that is a file is none", async () => {
    page("file:///home/me/page.html");
    expect(inState(await scene({ url: "/ws" }), "closed").reason.code).toBe("invalid_url");
  });

  test("ws: from a page over https is refused with what to do", async () => {
    page("https://app.test/");
    for (const url of ["ws://hub.test/ws", "http://hub.test/ws"]) {
      const s = await scene({ url });
      expect(inState(s, "closed").reason).toEqual({
        code: "insecure",
        message:
          "A page over https may not use an address that begins with ws: or http:. Use wss: or https:.",
      });
      expect(s.sockets).toHaveLength(0);
    }
  });

  test("ws: to this machine is allowed from there", async () => {
    page("https://app.test/");
    for (const host of ["localhost:8080", "hub.localhost", "127.0.0.1:8080", "[::1]:8080"]) {
      const s = await scene({ url: `ws://${host}/ws` });
      expect(s.sockets).toHaveLength(1);
    }
  });
});

test("without any WebSocket it says what to pass", async () => {
  vi.stubGlobal("WebSocket", undefined);
  const s = await scene({ WebSocket: undefined as never });
  expect(inState(s, "closed").reason).toEqual({
    code: "no_websocket",
    message: "There is no WebSocket here. In Node before 22 pass the one of the package ws: { WebSocket }.",
  });
});

test("the platform's WebSocket is taken where none is passed", async () => {
  const made: string[] = [];
  vi.stubGlobal(
    "WebSocket",
    class {
      constructor(url: string) {
        made.push(url);
      }
    },
  );
  await scene({ WebSocket: undefined as never });
  expect(made).toEqual(["ws://hub.test/ws"]);
});
