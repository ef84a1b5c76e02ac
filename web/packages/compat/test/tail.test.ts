// Of what the server sends again after a reconnect nothing is told twice, and nothing new is taken for a repetition.

import fc from "fast-check";
import { expect, test } from "vitest";
import { Tail } from "../src/tail.js";

function told(tail: Tail, texts: readonly string[]): string[] {
  return texts.filter((text) => !tail.repeats(text));
}

test("nothing is a repetition where none is expected", () => {
  expect(told(new Tail(), ["a", "a", "b"])).toEqual(["a", "a", "b"]);
});

test("a new connection repeats nothing", () => {
  const tail = new Tail();
  told(tail, ["a", "b"]);
  tail.expectRepeats();
  tail.clear();
  expect(told(tail, ["a", "b"])).toEqual(["a", "b"]);
});

test("what is kept is bounded", () => {
  const tail = new Tail();
  for (let count = 0; count < 5_000; count++) tail.repeats(`frame ${count}`);
  tail.repeats("x".repeat(1_048_000));
  tail.expectRepeats();
  expect(told(tail, ["frame 0", "new"])).toEqual(["frame 0", "new"]);
});

test("whatever is repeated of a history, and whatever follows, each frame is told once and in order", () => {
  const history = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(history, fc.nat(30), fc.nat(30), fc.nat(3), (texts, heard, missed, drops) => {
      const tail = new Tail();
      const out: string[] = [];
      let at = Math.min(heard, texts.length);
      out.push(...told(tail, texts.slice(0, at)));
      for (let drop = 0; drop <= drops; drop++) {
        tail.expectRepeats();
        const until = Math.min(texts.length, at + missed);
        out.push(...told(tail, texts.slice(Math.max(0, at - drop * 3), until)));
        at = until;
      }
      expect(out).toEqual(texts.slice(0, at));
    }),
  );
});
