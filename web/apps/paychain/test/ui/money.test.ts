// Money as text, and text as money.

import { describe, expect, it } from "vitest";
import { formatMoney, formatSignedMoney, parseMoney } from "../../src/ui/money";

describe("money", () => {
  it.each([
    [5000, "$5,000.00"],
    [0, "$0.00"],
    [0.1, "$0.10"],
    [-20.5, "−$20.50"],
    [1_000_000_000_000, "$1,000,000,000,000.00"],
  ])("%d is %s", (amount, text) => {
    expect(formatMoney(amount)).toBe(text);
  });

  it("changes have their sign, zero has none", () => {
    expect(formatSignedMoney(5)).toBe("+$5.00");
    expect(formatSignedMoney(-5)).toBe("−$5.00");
    expect(formatSignedMoney(0)).toBe("$0.00");
  });

  it.each([
    ["250", 250],
    ["250.5", 250.5],
    ["1,250.00", 1250],
    ["$ 40", 40],
    [" 0.01 ", 0.01],
    [".5", 0.5],
    ["5.", 5],
    ["1,000,000,000.00", 1_000_000_000],
  ])("%j is %d", (text, amount) => {
    expect(parseMoney(text)).toEqual({ amount, fault: null });
  });

  it.each([
    "",
    "  ",
    "abc",
    "1.234",
    "0",
    "0.00",
    "-5",
    "1,25",
    "12,34,567",
    "1.2.3",
    "1e3",
    ".",
    "1000000000.01",
    "$",
  ])("%j is refused with a sentence", (text) => {
    const { amount, fault } = parseMoney(text);
    expect(amount).toBeNull();
    expect(fault).toMatch(/^[A-Z].*\.$/);
  });
});
