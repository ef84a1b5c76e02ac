// The calls of the back end, typed by what the services say of themselves. Sends the account's access token, renews it once
// where it is refused, and gives up on what does not answer. What to do with errors is words.ts and the pages.

import createClient, { type Client } from "openapi-fetch";
import type { paths as ChatPaths } from "./generated/chat";
import type { components as JobComponents, paths as JobPaths } from "./generated/job";
import type { components as PaymentComponents, paths as PaymentPaths } from "./generated/payment";
import type { components as UserComponents, paths as UserPaths } from "./generated/user";
import { ApiProblem, NoAnswer, readProblem, SignedOut } from "./problem";

/** The paths of all services, which live on the page's own origin. */
export type Paths = UserPaths & JobPaths & PaymentPaths & ChatPaths;

/** Makes calls: `api.GET("/jobs", { params: { query: { mine: true } } })`. Give what it returns to {@link answer}. */
export type Api = Client<Paths>;

export type Job = JobComponents["schemas"]["Job"];
export type JobList = JobComponents["schemas"]["JobList"];
export type NewJob = JobComponents["schemas"]["NewJob"];
export type JobStatus = JobComponents["schemas"]["JobStatus"];
export type JobType = JobComponents["schemas"]["JobType"];
export type Payment = PaymentComponents["schemas"]["Payment"];
export type PaymentList = PaymentComponents["schemas"]["PaymentList"];
export type Wallet = PaymentComponents["schemas"]["Wallet"];
export type Entry = PaymentComponents["schemas"]["Entry"];
export type SignedIn = UserComponents["schemas"]["SignedIn"];
export type TokenPair = UserComponents["schemas"]["Pair"];
export type UserAnswer = UserComponents["schemas"]["User"];

/** Where access tokens come from. */
export interface AccessTokens {
  /** One that is good now. Throws {@link SignedOut} where there is none any more, {@link NoAnswer} where it can't be renewed now. */
  get(): Promise<string>;
  /** Another one than `refused`, which a service did not take. Throws as `get` does. */
  renew(refused: string): Promise<string>;
}

/** What {@link createApi} takes. */
export interface ApiOptions {
  /** None: calls are made as nobody. */
  tokens?: AccessTokens;
  /** Milliseconds until a call that was not answered is given up. Default: 15,000. */
  timeout?: number;
  /** Default: the page's own origin. */
  baseUrl?: string;
  /** Default: the browser's. */
  fetch?: (request: Request) => Promise<Response>;
}

/** Makes the calls of one account. */
export function createApi(options: ApiOptions = {}): Api {
  const { tokens, timeout = 15_000, baseUrl = "" } = options;
  const send = options.fetch ?? ((request: Request) => globalThis.fetch(request));
  return createClient<Paths>({
    baseUrl,
    // Lists go stale as soon as they are told; the services say so too.
    cache: "no-store",
    fetch: async (request) => {
      if (!tokens) return answered(send, request, timeout);
      const token = await tokens.get();
      // A body can be read once, and a refused call is sent again.
      const first = await answered(send, withToken(request.clone(), token), timeout);
      if (first.status !== 401) return first;
      return answered(send, withToken(request, await tokens.renew(token)), timeout);
    },
  });
}

/** What `api.GET` and its like give. */
export type Reply<Data> =
  | { data: Data; error?: never; response: Response }
  | { data?: never; error: unknown; response: Response };

/**
 * The data of a call. Throws {@link ApiProblem} where the service refused, {@link NoAnswer} where none came,
 * {@link SignedOut} where the account is not signed in any more.
 */
export async function answer<Data>(call: Promise<Reply<Data>>): Promise<Data> {
  let reply: Reply<Data>;
  try {
    reply = await call;
  } catch (error) {
    if (error instanceof ApiProblem || error instanceof NoAnswer || error instanceof SignedOut) throw error;
    // The head of the answer came, and its body is cut off or no JSON.
    throw new NoAnswer("unreachable");
  }
  if (!reply.response.ok) {
    const problem = readProblem(reply.response, reply.error);
    // Said by a proxy: what is behind it did not answer.
    if (problem.code === "unreadable" && problem.status === 502) throw new NoAnswer("unreachable");
    if (problem.code === "unreadable" && problem.status === 504) throw new NoAnswer("silent");
    throw problem;
  }
  return reply.data as Data;
}

function withToken(request: Request, token: string): Request {
  request.headers.set("authorization", `Bearer ${token}`);
  return request;
}

async function answered(send: (request: Request) => Promise<Response>, request: Request, timeout: number) {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(), timeout);
  const outside = () => giveUp.abort();
  // Asked before: where the network goes while a call is under way, it may have arrived.
  const offline = !navigator.onLine;
  request.signal.addEventListener("abort", outside);
  try {
    const response = await send(new Request(request, { signal: giveUp.signal }));
    // With its body: an answer that stops in the middle is none.
    const body = await response.arrayBuffer();
    return new Response(body.byteLength > 0 ? body : null, response);
  } catch (error) {
    if (request.signal.aborted) throw error;
    if (giveUp.signal.aborted) throw new NoAnswer("silent");
    throw new NoAnswer(offline ? "offline" : "unreachable");
  } finally {
    clearTimeout(timer);
    request.signal.removeEventListener("abort", outside);
  }
}
