// The playground's reader of JSON text, which keeps numbers as they were written. Judged by JSON.parse and JSON.stringify
// over generated texts, whole ones and damaged ones. The seed is fixed; SEED=n tries another.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { compact, pretty, rawMembers, tokenize } from "../../crates/websocket-server/assets/json-text.js";

const SEED = Number(process.env.SEED ?? 1);
const ROUNDS = 5_000;
const LEAVES = [1, -0.5, 1e21, 'a"b\\n\u20ac', "", true, null, ":", ",", "}"];
const NAMES = ["a", ":", "b,", "{", "type", "data"];
const DAMAGE = "{}[],:\"0-.eE tfn\\u\n'";

function generator(seed) {
  let state = seed;
  const random = () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
  const below = (limit) => Math.min(Math.floor(random() * limit), limit - 1);
  const value = (depth = 0) => {
    const kind = random();
    if (depth > 4 || kind < 0.3) return LEAVES[below(LEAVES.length)];
    if (kind < 0.65) return Array.from({ length: below(4) }, () => value(depth + 1));
    const member = () => [NAMES[below(NAMES.length)] + below(9), value(depth + 1)];
    return Object.fromEntries(Array.from({ length: below(4) }, member));
  };
  return { random, below, value };
}

describe(`json text, seed ${SEED}`, () => {
  it("writes what JSON.stringify writes, short and indented", () => {
    const make = generator(SEED);
    for (let round = 0; round < ROUNDS; round += 1) {
      const value = make.value();
      const text = JSON.stringify(value, null, make.random() < 0.5 ? 2 : 0);
      assert.equal(compact(text), JSON.stringify(value));
      assert.equal(pretty(text), JSON.stringify(value, null, 2));
      if (value !== null && typeof value === "object" && !Array.isArray(value)) {
        const members = [...rawMembers(text)].map(([name, raw]) => [name, JSON.parse(raw)]);
        assert.deepEqual(members, Object.entries(value));
      }
    }
  });

  it("refuses exactly the damaged texts that JSON.parse refuses", () => {
    const make = generator(SEED);
    for (let round = 0; round < ROUNDS; round += 1) {
      const letters = [...JSON.stringify(make.value())];
      letters.splice(make.below(letters.length), 1, DAMAGE[make.below(DAMAGE.length)]);
      const text = letters.join("");
      assert.equal(accepts(tokenize, text), accepts(JSON.parse, text), text);
    }
  });

  it("keeps numbers that a double cannot hold", () => {
    assert.equal(compact('{ "n": 9223372036854775807 }'), '{"n":9223372036854775807}');
  });

  it("says where a text is faulty, in words", () => {
    for (const text of ["", '{"a":1,}', '{"a" 1}', "[1 2]", "{'a':1}", '{"a":"b', '{"a":tru}', "{a:1}", '{"a":1} x', "[1,,2]"]) {
      assert.throws(() => tokenize(text), (fault) => fault.name === "JsonFault" && fault.message.length > 0, text);
    }
  });

  it("takes 20,000 levels without a stack", () => {
    tokenize("[".repeat(20_000) + "]".repeat(20_000));
  });
});

function accepts(read, text) {
  try {
    read(text);
    return true;
  } catch (fault) {
    if (fault.name === "JsonFault" || fault instanceof SyntaxError) return false;
    throw fault;
  }
}
