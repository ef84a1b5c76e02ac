// The page's close codes against the hub's own table: what the server says about coming back, the page does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { explainClose, knownCodes } from "../../crates/websocket-server/assets/close-codes.js";

const TABLE = JSON.parse(readFileSync(new URL("../../crates/protocol/fixtures/close-codes.json", import.meta.url)));
/** The server's words for when to come back, in the page's. A token that was refused needs another one. */
const RULES = { at_once: "atOnce", backoff: "backoff", after: "backoff", never: "never" };

describe("close codes", () => {
  for (const { code, name, reason, reconnect } of TABLE) {
    it(`${code} ${name}: the page comes back as the server's table says`, () => {
      const known = knownCodes().find((entry) => entry.code === code);
      assert.ok(known, `the page does not know ${code}`);
      assert.ok(known.meaning.length > 0);
      assert.equal(known.comeBack, name === "unauthorized" ? "newToken" : RULES[reconnect]);
      const asked = reconnect === "after" ? `${reason} 2500 ms` : reason;
      assert.equal(explainClose(code, asked).askedDelayMs, reconnect === "after" ? 2500 : null);
    });
  }

  it("a code of the server's own that the page does not know is met with a growing pause", () => {
    assert.equal(explainClose(4999, "").comeBack, "backoff");
  });
});
