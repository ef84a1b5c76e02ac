// The card that signs somebody in on a demo page. It offers what this hub can: accounts where the user service is there, a token
// where it is not, and where there are no keys to check a token with, it says what to configure. The session is session.js's.

import { setFault } from "./form-fault.js";
import { byId, element } from "./world-page.js";

/** Whether the user service answers here. */
async function hasAccounts() {
  try {
    return (await fetch("/.well-known/jwks.json")).ok;
  } catch {
    return false;
  }
}

/**
 * Fills `root` with the card. `server` is what the hub says of itself; `purpose` says what signing in is for, `why` what happened
 * before and stands in its place. `done` is called when somebody is signed in.
 */
export async function showSignIn({ root, session, server, heading, purpose, why = "", done }) {
  const card = element("section", { className: "card sign-in" });
  card.setAttribute("aria-labelledby", "sign-in-title");
  if (server === null) {
    card.append(title("The hub did not answer"), element("p", { className: "lead" }, "It may be starting, or gone. Reload the page in a moment."));
  } else if (!server.tokens) {
    card.append(...withoutKeys());
  } else {
    const accounts = await hasAccounts();
    card.append(title(heading), element("p", { className: "lead" }, why || purpose));
    if (accounts) card.append(...accountForms(session, done));
    card.append(tokenForm(session, done, accounts));
  }
  root.replaceChildren(card);
  root.hidden = false;
}

function title(words) {
  return element("h2", { id: "sign-in-title" }, words);
}

function withoutKeys() {
  return [
    title("This hub can't know who is signed in"),
    element("p", {}, "What is here is for signed-in users only, and this hub has no key to check a token with. So it refuses everyone (403)."),
    element("p", {}, "Start it with a key, and reload:"),
    element("pre", { className: "code", tabIndex: 0, ariaLabel: "Command" }, 'JWT_SECRET="$(openssl rand -hex 32)" websocket-server'),
    element("p", { className: "note" }, "A public key does as well: JWT_PUBLIC_KEY_FILE or JWKS_URL. Or start ", element("code", {}, "fanfare up"),
      ", which has accounts, and keys of its own."),
  ];
}

function accountForms(session, done) {
  const make = element("button", { className: "button primary", type: "button", id: "make-account" }, "Make a throw-away account");
  const fault = element("p", { className: "fault", id: "make-fault", hidden: true });
  make.setAttribute("aria-describedby", "make-fault");
  make.addEventListener("click", () => attempt(make, make, () => session.makeAccount(), done));
  const form = element("form", { noValidate: true },
    field("email", "Email", { type: "email", autocomplete: "username" }),
    field("password", "Password", { type: "password", autocomplete: "current-password" }),
    element("button", { className: "button", type: "submit" }, "Sign in"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [email, password] = [byId("sign-email"), byId("sign-password")];
    setFault(email, email.value.trim() === "" ? "Type the address of your account." : null);
    setFault(password, password.value === "" ? "Type your password." : null);
    const wrong = [email, password].find((one) => one.hasAttribute("aria-invalid"));
    if (wrong) wrong.focus();
    else attempt(form.querySelector("button"), password, () => session.signIn(email.value.trim(), password.value), done);
  });
  return [
    element("div", {}, make, fault, element("p", { className: "note" }, "With a random name and password; it stays in the user service.")),
    details("Sign in with an account that there is", form),
  ];
}

function tokenForm(session, done, isSecond) {
  const form = element("form", { noValidate: true, autocomplete: "off" },
    field("token", "Token", { type: "password", placeholder: "eyJ…", spellcheck: false, className: "input mono" }),
    element("p", { className: "note" }, "A JWT with ", element("code", {}, "user_id"), " or ", element("code", {}, "sub"), ", and ",
      element("code", {}, "exp"), ". It stays in this tab. In a terminal, with the hub's secret:"),
    element("pre", { className: "code", tabIndex: 0, ariaLabel: "Command" }, "JWT_SECRET=… fanfare token --user 7"),
    element("button", { className: isSecond ? "button" : "button primary", type: "submit" }, "Use this token"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const input = byId("sign-token");
    attempt(form.querySelector("button"), input, async () => session.useToken(input.value.trim()), done);
  });
  return isSecond ? details("Paste a token", form) : form;
}

function details(summary, content) {
  return element("details", { className: "more" }, element("summary", {}, summary), content);
}

function field(name, label, properties) {
  const input = element("input", { className: "input", id: `sign-${name}`, name, ...properties });
  input.setAttribute("aria-describedby", `sign-${name}-fault`);
  return element("div", { className: "field" }, element("label", { htmlFor: input.id }, label), input,
    element("p", { className: "fault", id: `sign-${name}-fault`, hidden: true }));
}

/** Runs what signs in, with the button showing that it waits and the fault at the field. */
async function attempt(button, where, run, done) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await run();
    setFault(where, null);
    done();
  } catch (fault) {
    if (!(fault instanceof TypeError)) throw fault;
    setFault(where, fault.message);
    where.focus();
  } finally {
    button.removeAttribute("aria-busy");
  }
}
