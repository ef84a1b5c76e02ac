import { expect, test } from "vitest";
import { AGAIN, typingTeller } from "../../src/chat/typing";

function teller() {
  const told: boolean[] = [];
  const clock = { now: 1_000 };
  return {
    told,
    clock,
    ...typingTeller(
      (is) => told.push(is),
      () => clock.now,
    ),
  };
}

test("typing is told at once, and then at most every 3 s", () => {
  const { told, clock, changed } = teller();
  for (let key = 0; key < 100; key += 1) {
    changed("a".repeat(key + 1));
    clock.now += 100;
  }
  // 10 s of it.
  expect(told).toEqual([true, true, true, true]);
  expect(AGAIN).toBe(3_000);
});

test("its end is told when the field is emptied, when it is sent, and once", () => {
  const { told, changed, ended } = teller();
  changed("a");
  changed("");
  changed("");
  ended();
  expect(told).toEqual([true, false]);
  changed("b");
  ended();
  ended();
  expect(told).toEqual([true, false, true, false]);
});

test("blanks are no typing", () => {
  const { told, changed } = teller();
  changed(" ");
  changed("\n");
  expect(told).toEqual([]);
});
