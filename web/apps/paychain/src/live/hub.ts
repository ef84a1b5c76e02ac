// The client of the hub for one account: its tokens, and coming back where the client itself has to give up. React is live.tsx.

import { type Client, type ClientOptions, createClient, type TokenRequest } from "@fanfare/client";
import type { EventMap } from "@fanfare/events";
import type { AccessTokens } from "../api/client";
import { NoAnswer, SignedOut } from "../api/problem";

/** How long after the hub refused a token whose successor could not be had it is tried again, milliseconds. */
const AGAIN = 10_000;

/** The client of an account. */
export interface Hub {
  readonly client: Client<EventMap>;
  /**
   * Connects, also again where the hub refused the token and the user service gave no answer: the client takes that for the end
   * of the sign-in, and it is not known to be. Returns what ends the connection.
   */
  readonly open: () => () => void;
}

/** Makes it; nothing is connected yet. `options` are for tests. */
export function createHub(tokens: AccessTokens, options: Partial<ClientOptions> = {}): Hub {
  /** The last question for a token had no answer. */
  let unanswered = false;
  const client = createClient<EventMap>({
    url: import.meta.env.VITE_WS_URL || "/ws",
    autoConnect: false,
    getToken: async (request: TokenRequest) => {
      unanswered = false;
      try {
        const token = await tokens.get();
        // Refused: the token is not as good as it looks, or the sign-in has ended. Asking for another one tells.
        return request === "unauthorized" ? await tokens.renew(token) : token;
      } catch (error) {
        if (error instanceof SignedOut) return null;
        if (!(error instanceof NoAnswer)) throw error;
        unanswered = true;
        throw new Error("the user service can't be reached");
      }
    },
    ...options,
  });
  return {
    client,
    open: () => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const remove = client.onState((state) => {
        clearTimeout(timer);
        if (state.status === "closed" && state.reason.code === "unauthorized" && unanswered) {
          timer = setTimeout(() => client.connect(), AGAIN);
        }
      });
      client.connect();
      return () => {
        remove();
        clearTimeout(timer);
        client.close();
      };
    },
  };
}
