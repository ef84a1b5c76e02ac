// The one connection of a React tree: who makes it, who starts it, who ends it. What is done with it is in the hooks.
// The context's value is the client and nothing else, so neither an event nor a change of state renders the tree.

import { type Client, type ClientOptions, createClient, type EventTypes } from "@fanfare/client";
import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useInsertionEffect,
  useMemo,
  useRef,
} from "react";

const ClientContext = createContext<Client | null>(null);

/** What a provider gets: a client that the app made, or what to make one with. */
export type FanfareProviderProps<Events = EventTypes> = { readonly children?: ReactNode } & (
  | {
      /**
       * A client that the app made. It is connected if it never was, and never closed: whoever made it ends it. One that was
       * closed stays closed.
       */
      readonly client: Client<Events>;
      readonly options?: undefined;
    }
  | {
      /**
       * What the provider makes a client with. It connects once the tree is mounted (not if `autoConnect` is false) and is closed
       * when the tree goes.
       *
       * Another `url` or `token` makes another client. Another `getToken` does not: the latest one is asked. The other options
       * are read when the client is made.
       */
      readonly options: ClientOptions;
      readonly client?: undefined;
    }
);

/**
 * Gives the tree below it one connection. Opens nothing on a server. For another user give it another `key`, so that
 * nothing of the first one's connection is left.
 */
export function FanfareProvider<Events = EventTypes>(props: FanfareProviderProps<Events>): ReactNode {
  if (props.client !== undefined) {
    // Event maps are types only; a client of any map is the same thing.
    return <Given client={props.client as unknown as Client}>{props.children}</Given>;
  }
  return <Made options={props.options}>{props.children}</Made>;
}

function Given({ client, children }: { client: Client; children: ReactNode }): ReactNode {
  useEffect(() => {
    if (client.state.status === "connecting" && client.state.attempt === 0) client.connect();
  }, [client]);
  return <ClientContext.Provider value={client}>{children}</ClientContext.Provider>;
}

function Made({ options, children }: { options: ClientOptions; children: ReactNode }): ReactNode {
  const latest = useRef(options);
  useInsertionEffect(() => {
    latest.current = options;
  });
  const url = String(options.url);
  const asks = options.getToken !== undefined;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a client is made anew for these alone, as documented.
  const client = useMemo(() => {
    const made: ClientOptions = { ...options, autoConnect: false };
    if (asks) made.getToken = (request) => latest.current.getToken?.(request) ?? null;
    return createClient(made);
  }, [url, options.token, asks]);

  const wanted = useRef<Client | null>(null);
  useEffect(() => {
    wanted.current = client;
    if (latest.current.autoConnect !== false) client.connect();
    return () => {
      wanted.current = null;
      // Later, because StrictMode takes every tree away and puts it back at once: that must not cost a connection.
      queueMicrotask(() => {
        if (wanted.current !== client) client.close();
      });
    };
  }, [client]);

  return <ClientContext.Provider value={client}>{children}</ClientContext.Provider>;
}

/** The client of the nearest provider; null if there is none. */
export function useFanfareIfAny(): Client | null {
  return useContext(ClientContext);
}

/**
 * The client of the nearest provider.
 *
 * @throws Error if there is no provider above.
 */
export function useFanfare<Events = EventTypes>(): Client<Events> {
  const client = useContext(ClientContext);
  if (client === null)
    throw new Error("There is no <FanfareProvider> above this component. Put one around the app.");
  return client as unknown as Client<Events>;
}
