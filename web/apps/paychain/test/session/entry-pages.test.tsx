// The pages for signing in and up, as people use them; the user service is a function.

import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { MemoryRouter, Route, Routes } from "react-router";
import { afterEach, describe, expect, it, vi } from "vitest";
import { AccountsProvider } from "../../src/session/session";
import { SignInPage } from "../../src/session/sign-in";
import { SignUpPage } from "../../src/session/sign-up";
import { Browser, ERIN, signInOf } from "./windows";

type Service = (path: string, body: unknown) => Response | Promise<Response>;

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });

function open(path: "/sign-in" | "/sign-up", service: Service, browser = new Browser()) {
  const calls: string[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname } = new URL(request.url);
    const body: unknown = await request.json();
    calls.push(`${pathname} ${JSON.stringify(body)}`);
    return service(pathname, body);
  });
  const { accounts } = browser.open();
  accounts.leave();
  render(
    <AccountsProvider accounts={accounts} turns={browser.turns}>
      <MemoryRouter initialEntries={[path]}>
        <Routes>
          <Route path="/sign-in" element={<SignInPage />} />
          <Route path="/sign-up" element={<SignUpPage />} />
        </Routes>
      </MemoryRouter>
    </AccountsProvider>,
  );
  return { accounts, calls };
}

const type = (label: string, value: string) =>
  fireEvent.change(screen.getByLabelText(label), { target: { value } });
const field = (label: string) => screen.getByLabelText<HTMLInputElement>(label);
const press = (name: string) => fireEvent.click(screen.getByRole("button", { name }));

function fillSignUp() {
  fireEvent.click(screen.getByRole("radio", { name: "Employer" }));
  type("Name", "Erin");
  type("Email", " erin@example.com ");
  type("Password", "correct horse");
}

const SIGNED_IN = { user: ERIN, access_token: "access", refresh_token: "refresh", expires_in: 900 };

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe("signing up", () => {
  it("tells the rule of the password before anything is wrong", () => {
    open("/sign-up", () => json(500, {}));
    expect(screen.getByText("At least 8 characters.")).toBeTruthy();
  });

  it("says at each field what is missing, sends nothing, and goes to the first", async () => {
    const { calls } = open("/sign-up", () => json(500, {}));
    press("Create account");
    expect(screen.getByText("Choose one of the two.")).toBeTruthy();
    expect(screen.getByText("Enter your name.")).toBeTruthy();
    expect(screen.getByText("Enter your email.")).toBeTruthy();
    expect(screen.getByText("Choose a password.")).toBeTruthy();
    expect(calls).toEqual([]);
    await waitFor(() => expect(document.activeElement).toBe(screen.getByRole("radio", { name: "Employer" })));
  });

  it("signs in with what the service answers", async () => {
    const { accounts, calls } = open("/sign-up", () => json(201, SIGNED_IN));
    fillSignUp();
    press("Create account");
    await waitFor(() => expect(accounts.state.current?.user).toEqual(ERIN));
    expect(calls).toEqual([
      '/auth/register {"name":"Erin","email":"erin@example.com","password":"correct horse","user_type":"employer"}',
    ]);
  });

  it("sends once, however often the button is pressed", async () => {
    const { accounts, calls } = open("/sign-up", () => json(201, SIGNED_IN));
    fillSignUp();
    press("Create account");
    press("Create account");
    await waitFor(() => expect(accounts.state.current).not.toBeNull());
    expect(calls).toHaveLength(1);
  });

  it("puts the service's refusals at their fields, and keeps what was typed", async () => {
    open("/sign-up", () =>
      json(422, {
        code: "invalid",
        errors: [{ member: "email", message: "must have at most 254 characters" }],
      }),
    );
    fillSignUp();
    press("Create account");
    await screen.findByText("Must have at most 254 characters.");
    expect(field("Name").value).toBe("Erin");
    expect(field("Password").value).toBe("correct horse");
    expect(field("Email").getAttribute("aria-invalid")).toBe("true");
  });

  it("leads to signing in where the email is taken", async () => {
    open("/sign-up", () => json(409, { code: "email_taken" }));
    fillSignUp();
    press("Create account");
    fireEvent.click(await screen.findByRole("link", { name: "Sign in with it" }));
    expect(screen.getByRole("heading", { name: "Sign in" })).toBeTruthy();
    expect(field("Email").value).toBe("erin@example.com");
  });
});

describe("signing up without an answer", () => {
  const lost = () => Promise.reject(new TypeError("Failed to fetch"));

  it("says that the account may exist, and leads to it where it does", async () => {
    const answers = [lost, () => json(409, { code: "email_taken" })];
    open("/sign-up", () => answers.shift()?.() ?? json(500, {}));
    fillSignUp();
    press("Create account");
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("No answer came");
    expect(alert.textContent).toContain("The account may have been created.");

    press("Create account");
    await screen.findByText(/This account was probably created a moment ago/);
    expect(screen.queryByRole("alert")).toBeNull();
    fireEvent.click(screen.getByRole("link", { name: "Sign in with it" }));
    expect(field("Email").value).toBe("erin@example.com");
  });

  it("does not take somebody else's account for the one of the lost try", async () => {
    const answers = [lost, () => json(409, { code: "email_taken" })];
    open("/sign-up", () => answers.shift()?.() ?? json(500, {}));
    fillSignUp();
    press("Create account");
    await screen.findByRole("alert");
    type("Email", "anna@example.com");
    press("Create account");
    await screen.findByText(/This email is registered already/);
  });

  it("does not say of a later refusal that there is no account", async () => {
    const answers = [lost, () => json(429, { code: "rate_limited" }, { "retry-after": "5" })];
    open("/sign-up", () => answers.shift()?.() ?? json(500, {}));
    fillSignUp();
    press("Create account");
    await screen.findByText("No answer came");
    press("Create account");
    expect((await screen.findByText("This try did not work")).closest("[role=alert]")?.textContent).toContain(
      "The account may have been created before.",
    );
  });
});

describe("signing in", () => {
  const fill = () => {
    type("Email", "erin@example.com");
    type("Password", "wrong");
  };

  it("says that one of the two is wrong, not which", async () => {
    const { accounts } = open("/sign-in", () => json(401, { code: "invalid_credentials" }));
    fill();
    press("Sign in");
    expect((await screen.findByRole("alert")).textContent).toContain("The email or the password is wrong.");
    expect(accounts.state.current).toBeNull();
    expect(field("Email").value).toBe("erin@example.com");
  });

  it("says when to come back after too many wrong passwords", async () => {
    open("/sign-in", () => json(429, { code: "too_many_attempts" }, { "retry-after": "900" }));
    fill();
    press("Sign in");
    expect((await screen.findByRole("alert")).textContent).toMatch(/Try again in 15 minutes, at \d+:\d\d/);
  });

  it("says that the server can't be reached", async () => {
    open("/sign-in", () => Promise.reject(new TypeError("Failed to fetch")));
    fill();
    press("Sign in");
    expect((await screen.findByRole("alert")).textContent).toContain("The server can't be reached.");
  });

  it("offers the accounts of this browser", () => {
    const browser = new Browser();
    browser.open().accounts.signIn(signInOf(ERIN, browser.now));
    const { accounts, calls } = open("/sign-in", () => json(500, {}), browser);
    fireEvent.click(screen.getByRole("button", { name: /Continue as Erin/ }));
    expect(accounts.state.current?.user.name).toBe("Erin");
    expect(calls).toEqual([]);
  });

  it("shows and hides the password", () => {
    open("/sign-in", () => json(500, {}));
    expect(field("Password").type).toBe("password");
    press("Show password");
    expect(field("Password").type).toBe("text");
    press("Hide password");
    expect(field("Password").type).toBe("password");
  });
});
