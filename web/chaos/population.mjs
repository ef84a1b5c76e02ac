// Who takes part in a run: users of the user service, and the clients that they sign in with.

import { forEach } from "./audit.mjs";
import { call } from "./http.mjs";
import { Tokens } from "./tokens.mjs";

const PASSWORD = "a password of the chaos";

/** Registers so many users, employers and workers in turn; the first is an employer. */
export async function register(base, count) {
  const numbers = Array.from({ length: count }, (_, number) => number);
  const users = [];
  await forEach(numbers, async (number) => {
    const userType = number % 2 === 0 ? "employer" : "worker";
    const email = `user${number}@example.com`;
    const body = { email, password: PASSWORD, name: `User ${number}`, user_type: userType };
    const answer = await call(base, "POST", "/auth/register", { body, patience: 60_000 });
    if (answer.status !== 201) throw new Error(`registering was answered ${answer.status}: ${answer.text}`);
    const user = { email, password: PASSWORD, token: answer.json.access_token, userType };
    users[number] = { ...user, userId: answer.json.user.user_id };
  });
  return users;
}

/** The same users for somebody who needs tokens of theirs at any time: `token()` gives one. */
export function signedIn(base, users, counts) {
  return users.map((user) => {
    const tokens = new Tokens(base, user, counts);
    return { ...user, token: () => tokens.get("connect") };
  });
}

/** Clients with the SDK, so many; for every ten of them one by the contract, for every twenty one of events. Each user has several. */
export function membersOf(users, count, channels, chance) {
  const members = [];
  const kinds = [
    ...Array(count).fill("sdk"),
    ...Array(Math.ceil(count / 10)).fill("contract"),
    ...Array(Math.ceil(count / 20)).fill("events"),
  ];
  for (const [number, kind] of kinds.entries()) {
    const user = users[number % users.length];
    const own = chance.some(1 + chance.below(3), channels);
    if (chance.happens(0.7)) own.push("jobs");
    if (user.userType === "employer" && chance.happens(0.7)) own.push("payments");
    members.push({ ...user, kind, name: `${kind}-${number}`, channels: own });
  }
  return members;
}
