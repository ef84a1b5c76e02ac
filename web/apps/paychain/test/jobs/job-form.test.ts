import { describe, expect, test } from "vitest";
import { balanceAfter, EMPTY_FORM, fieldErrors, type JobForm, requestOfForm } from "../../src/jobs/job-form";
import { NOON } from "./sample";

const GOOD: JobForm = { ...EMPTY_FORM, title: "Landing page", pay: "450", type: "design" };

describe("the form of a job", () => {
  test("becomes a request without what was left empty", () => {
    expect(requestOfForm(GOOD, NOON).request).toEqual({
      title: "Landing page",
      pay_amount_usd: 450,
      job_type: "design",
    });
  });

  test("keeps the line breaks of the description and takes the deadline in the zone of the viewer", () => {
    const deadline = "2026-03-05T18:30";
    const form = { ...GOOD, description: "Two pages.\n\n- home\n- contact", deadline };
    expect(requestOfForm(form, NOON).request).toEqual({
      title: "Landing page",
      description: "Two pages.\n\n- home\n- contact",
      pay_amount_usd: 450,
      job_type: "design",
      deadline: new Date(2026, 2, 5, 18, 30).toISOString(),
    });
  });

  test.each([
    ["title", { title: "  " }],
    ["title", { title: "x".repeat(201) }],
    ["description", { description: "x".repeat(20_001) }],
    ["pay", { pay: "" }],
    ["pay", { pay: "much" }],
    ["pay", { pay: "0" }],
    ["pay", { pay: "12.345" }],
    ["pay", { pay: "1000000000.01" }],
    ["deadline", { deadline: "soon" }],
    ["deadline", { deadline: "2020-01-01T00:00" }],
  ] as const)("says at the field what is wrong: %s", (field, change) => {
    const { request, errors } = requestOfForm({ ...GOOD, ...change }, NOON);
    expect(request).toBeNull();
    expect(Object.keys(errors ?? {})).toEqual([field]);
  });

  test("counts characters as the service does: 200 emoji are a title", () => {
    expect(requestOfForm({ ...GOOD, title: "🎉".repeat(200) }, NOON).errors).toBeNull();
  });

  test("says everything that is wrong at once", () => {
    const { errors } = requestOfForm(EMPTY_FORM, NOON);
    expect(Object.keys(errors ?? {})).toEqual(["title", "pay"]);
  });
});

test("what the service finds wrong stands at its field, and nothing of it is lost", () => {
  expect(
    fieldErrors([
      { member: "deadline", message: "must be in the future" },
      { member: "pay_amount_usd", message: "must be a number" },
      { member: "colour", message: "is not known" },
    ]),
  ).toEqual({
    fields: { deadline: "The deadline must be in the future.", pay: "The pay must be a number." },
    rest: ["colour is not known"],
  });
});

test.each([
  ["450", 10_000, { enough: true, left: 9550 }],
  ["0.10", 0.3, { enough: true, left: 0.2 }],
  ["450", 449.99, { enough: false, left: -0.01 }],
  ["much", 10_000, null],
  ["450", null, null],
] as const)("the balance behind a pay of %s out of %j", (pay, balance, result) => {
  expect(balanceAfter(pay, balance)).toEqual(result);
});
