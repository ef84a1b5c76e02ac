// What the forms for signing in and up say, and where.

import { describe, expect, it } from "vitest";
import { ApiProblem, NoAnswer } from "../../src/api/problem";
import { formFaults, ownFaults } from "../../src/session/form-faults";
import { emailFault, nameFault, newPasswordFault } from "../../src/session/rules";

const invalid = (...faults: [string, string][]) =>
  new ApiProblem(
    422,
    "invalid",
    "",
    faults.map(([member, message]) => ({ member, message })),
    null,
    null,
  );

describe("form faults", () => {
  it("a 422 goes to its fields, as sentences", () => {
    const error = invalid(
      ["email", "must be an e-mail address, with one @"],
      ["password", "must have 8 to 200 characters"],
    );
    expect(formFaults(error, ["email", "password"])).toEqual({
      fields: { email: "Must be an e-mail address, with one @.", password: "Must have 8 to 200 characters." },
      panel: null,
    });
  });

  it("a member without a field makes a panel besides", () => {
    const error = invalid(["email", "is required"], ["captcha", "is required"]);
    expect(formFaults(error, ["email"])).toEqual({ fields: { email: "Is required." }, panel: error });
  });

  it("a 422 that names nothing makes a panel", () => {
    const error = invalid();
    expect(formFaults(error, ["email"])).toEqual({ fields: {}, panel: error });
  });

  it.each([
    ["a taken address", new ApiProblem(409, "email_taken", "", [], null, null)],
    ["no answer", new NoAnswer("unreachable")],
    ["a fault of the page", new TypeError("undefined")],
  ])("%s makes a panel", (_, error) => {
    expect(formFaults(error, ["email"])).toEqual({ fields: {}, panel: error });
  });

  it("only fields that are wrong are named", () => {
    expect(ownFaults({ email: null, name: "Enter your name." })).toEqual({ name: "Enter your name." });
  });
});

describe("rules", () => {
  it.each(["anna@example.com", " anna@example.com ", "ö@ü"])("%j is an email", (email) => {
    expect(emailFault(email)).toBeNull();
  });

  it.each([
    ["", "Enter your email."],
    ["anna", "An email has one @, as in anna@example.com."],
    ["a@b@c", "An email has one @, as in anna@example.com."],
    ["@b", "An email has something on both sides of the @."],
    ["a b@c", "An email has no spaces."],
    [`${"a".repeat(254)}@b`, "An email has at most 254 characters."],
  ])("%j is none", (email, sentence) => {
    expect(emailFault(email)).toBe(sentence);
  });

  it("a password is counted in characters, not in halves of them", () => {
    expect(newPasswordFault("🔑🔑🔑🔑")).toBe("Add 4 more characters: a password has at least 8.");
    expect(newPasswordFault("1234567")).toBe("Add 1 more character: a password has at least 8.");
    expect(newPasswordFault("        ")).toBeNull();
    expect(newPasswordFault("x".repeat(201))).toBe("A password has at most 200 characters.");
  });

  it("a name is more than spaces", () => {
    expect(nameFault("   ")).toBe("Enter your name.");
    expect(nameFault("李")).toBeNull();
  });
});
