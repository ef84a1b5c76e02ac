// The public face: handlers, errors and subscriptions over a transport. It opens no sockets and keeps no times; that is the
// transport's part (`connection.ts`, or another tab).

import { answers } from "./answers.js";
import { platformEnvironment } from "./browser.js";
import { member } from "./frames.js";
import { type Handlers, handlers } from "./handlers.js";
import { isServerFrame } from "./recovery.js";
import { MOST_CHANNELS, subscriptions } from "./subscriptions.js";
import { socketTransport } from "./transport.js";
import type {
  Client,
  ClientOptions,
  ConnectionState,
  EventTypes,
  FanfareError,
  FanfareEvent,
  Gap,
  Remove,
} from "./types.js";

/** The most ids in one `ack`. */
const PER_ACK = 1_000;

/**
 * Makes a client, which connects in the same turn (`autoConnect`). Never throws: a wrong address is the state `closed`.
 *
 * ```ts
 * const client = createClient({ url: "/ws" });
 * client.on("job_created", (job) => console.log(job));
 * client.subscribe("jobs");
 * ```
 *
 * With a map of events, `createClient<EventMap>(…)`, handlers know the shape of `data`, and other names are compile errors.
 * What comes over the wire is not checked against it.
 */
export function createClient<Events = EventTypes>(options: ClientOptions): Client<Events> {
  const env = options.environment ?? platformEnvironment;

  const errorListeners = handlers<[FanfareError]>((cause) => console.error("fanfare: onError threw", cause));
  const threw = (cause: unknown) =>
    report({ code: "handler_failed", message: "A handler threw an error.", cause });
  const stateListeners = handlers<[ConnectionState]>(threw);
  const channelListeners = handlers<[string]>(threw);
  const gapListeners = handlers<[Gap]>(threw);
  const anyHandlers = handlers<[FanfareEvent]>(threw);
  const byType = new Map<string, Handlers<[unknown, FanfareEvent]>>();

  function report(error: FanfareError) {
    if (errorListeners.size) errorListeners.call([error]);
    else console.warn(`fanfare: ${error.message}`, error);
  }

  const channels = subscriptions({
    env,
    send: (frame) => transport.send(JSON.stringify(frame)),
    changed: (name) => channelListeners.call([name]),
    error: report,
  });

  const requests = answers(env, (text) => transport.send(text), options.maxRequests);

  const transport = (options.transport ?? socketTransport)(options, {
    state(state) {
      if (state.status === "open") channels.opened();
      else channels.lost();
      requests.lost();
      // A listener may change the state again; then all have heard of that already.
      stateListeners.call([state], () => state === transport.state);
    },
    frame(frame) {
      const { type, data } = frame;
      if (type === "subscribed") channels.confirmed(member(data, "channels"));
      if (type === "error") refused(data);
      if (type === "ack") requests.received(data);
      byType.get(type)?.call([data, frame]);
      if (!isServerFrame(frame)) anyHandlers.call([frame]);
    },
    error: report,
    gap: (streams) => gapListeners.call([{ streams }]),
  });

  function refused(data: unknown) {
    const channel = member(data, "channel");
    const error: FanfareError = {
      code: String(member(data, "code")),
      message: String(member(data, "message")),
      ...(typeof channel === "string" ? { channel } : {}),
    };
    channels.refused(error);
    requests.refused(error);
    report(error);
  }

  function on(type: string, handler: (data: unknown, event: FanfareEvent) => void): Remove {
    let list = byType.get(type);
    if (!list) byType.set(type, (list = handlers(threw)));
    const added = list;
    const remove = added.add(handler);
    return () => {
      remove();
      if (!added.size && byType.get(type) === added) byType.delete(type);
    };
  }

  const client: Client = {
    get state() {
      return transport.state;
    },
    onState: stateListeners.add,
    on: on as Client["on"],
    once(type, handler) {
      const remove = on(type, (data, event) => {
        remove();
        (handler as (data: unknown, event: FanfareEvent) => void)(data, event);
      });
      return remove;
    },
    onAny: anyHandlers.add as Client["onAny"],
    onError: errorListeners.add,
    onGap: gapListeners.add,
    subscribe(names) {
      let followed = listOf(names).filter((name) => {
        if (channels.add(name)) return true;
        const message = `This client follows ${MOST_CHANNELS} channels already.`;
        report({ code: "too_many_channels", message, channel: name });
        return false;
      });
      return () => {
        const gone = followed;
        followed = [];
        for (const name of gone) channels.remove(name);
      };
    },
    unsubscribe(names) {
      for (const name of listOf(names)) channels.remove(name);
    },
    channel: channels.state,
    onChannel: channelListeners.add,
    request: requests.ask,
    send: (type, data) => transport.send(JSON.stringify({ type, data })),
    ack(given) {
      const ids = listOf(given);
      let sent = transport.state.status === "open";
      for (let at = 0; sent && at < ids.length; at += PER_ACK) {
        sent = transport.send(JSON.stringify({ type: "ack", ids: ids.slice(at, at + PER_ACK) }));
      }
      return sent;
    },
    connect: () => transport.start(),
    close: () => transport.stop(),
  };
  if (options.autoConnect !== false) client.connect();
  return client as unknown as Client<Events>;
}

function listOf(names: string | readonly string[]): readonly string[] {
  return typeof names === "string" ? [names] : names;
}
