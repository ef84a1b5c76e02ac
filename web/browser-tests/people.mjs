// People of PayChain over HTTP, for what comes before the screen and for what happens on other devices. Not here: windows
// (paychain.mjs), and the server that all of it is asked of (server.mjs).

import { randomUUID } from "node:crypto";

const PASSWORD = "a password of these tests";

/** How often a call is made that the payment service was too slow for. */
const MOST_TRIES = 10;

/** Makes an account on a server. `role`: `employer` or `worker`; the address comes from the name. */
export async function register(server, role, name, email = addressOf(name)) {
  const body = { email, password: PASSWORD, name, user_type: role };
  const answer = await call(server, "POST", "auth/register", { body });
  return new Person(server, answer, { email, password: PASSWORD });
}

/** What somebody types to sign up who has no account yet. */
export function newcomer(role, name) {
  return { role, name, email: addressOf(name), password: PASSWORD };
}

/** Signs in on a device of its own somebody who has an account, such as a newcomer who signed up on screen. */
export async function signIn(server, { email, password }) {
  return new Person(server, await call(server, "POST", "auth/login", { body: { email, password } }), {
    email,
    password,
  });
}

/** Somebody with an account, on a device of their own. */
export class Person {
  #server;
  #tokens;

  constructor(server, { user, ...tokens }, { email, password }) {
    this.#server = server;
    this.#tokens = tokens;
    this.id = user.user_id;
    this.name = user.name;
    this.role = user.user_type;
    this.email = email;
    this.password = password;
  }

  /** The access token, for a page that is given one. */
  get token() {
    return this.#tokens.access_token;
  }

  /** The claims of the access token: `sid` is the session. */
  get claims() {
    return claimsOf(this.#tokens.access_token);
  }

  /** Posts a job; what is left out is ordinary. Gives the job. */
  post(job) {
    const body = { job_type: "development", pay_amount_usd: 100, ...job };
    return this.call("POST", "jobs", body);
  }

  accept(id) {
    return this.call("POST", `jobs/${id}/accept`);
  }

  complete(id) {
    return this.call("POST", `jobs/${id}/complete`);
  }

  cancel(id) {
    return this.call("POST", `jobs/${id}/cancel`);
  }

  wallet() {
    return this.call("GET", "wallet");
  }

  /** Ends all sign-ins of this person, here and elsewhere. */
  logOutEverywhere() {
    return this.call("POST", "auth/logout-all");
  }

  /** A call in this person's name; what is no success is thrown. */
  async call(method, path, body) {
    const options = { body, token: this.#tokens.access_token };
    // On a busy machine payments may take longer than jobs wait for them; whoever asks again with the same key gets what came of it.
    if (method === "POST" && path.startsWith("jobs")) options.key = randomUUID();
    for (let tries = 1; ; tries += 1) {
      try {
        return await call(this.#server, method, path, options);
      } catch (error) {
        if (!options.key || !error.message.includes('"payment_unavailable"') || tries === MOST_TRIES)
          throw error;
      }
    }
  }
}

/** What a token says of its bearer. */
export function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
}

async function call(server, method, path, { body, token, key }) {
  const answer = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(key === undefined ? {} : { "idempotency-key": key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}: ${text}`);
  return text === "" ? null : JSON.parse(text);
}

function addressOf(name) {
  const bare = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, ".");
  return `${bare.replaceAll(/^\.|\.$/g, "") || "somebody"}@example.com`;
}
