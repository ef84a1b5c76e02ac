// Handlers by name, as the clients in the field know them: `on(name, handler)` and `off(name, handler)`. One that throws harms no
// other. Built on the SDK's list of handlers.

import { type Handlers, handlers } from "../../sdk/src/handlers.js";

/** A function that gets what is told under a name. */
export type Handler<Payload> = (payload: Payload) => void;

/** Handlers by name. Names are any text; a name without handlers holds nothing. */
export class HandlersByName<Payload> {
  private readonly lists = new Map<string, Handlers<[Payload]>>();
  private readonly removals = new Map<string, Map<Handler<Payload>, (() => void)[]>>();

  /** `failed` gets what a handler threw. */
  constructor(private readonly failed: (name: string, cause: unknown) => void) {}

  /** Adds a handler; what is added twice is called twice. Returns its removal. */
  on(name: string, handler: Handler<Payload>): () => void {
    if (typeof handler !== "function") throw new TypeError(`on("${name}") needs a function.`);
    const list = this.lists.get(name) ?? handlers<[Payload]>((cause) => this.failed(name, cause));
    this.lists.set(name, list);
    const byHandler = this.removals.get(name) ?? new Map<Handler<Payload>, (() => void)[]>();
    this.removals.set(name, byHandler);
    const removal = list.add(handler);
    byHandler.set(handler, [...(byHandler.get(handler) ?? []), removal]);
    return () => {
      removal();
      const left = (byHandler.get(handler) ?? []).filter((other) => other !== removal);
      if (left.length > 0) byHandler.set(handler, left);
      else byHandler.delete(handler);
      this.forgetIfEmpty(name);
    };
  }

  /** Takes a handler away, however often it is there; without one all of the name's. */
  off(name: string, handler?: Handler<Payload>): void {
    const byHandler = this.removals.get(name);
    if (!byHandler) return;
    const gone = handler === undefined ? [...byHandler.values()].flat() : (byHandler.get(handler) ?? []);
    for (const removal of gone) removal();
    if (handler === undefined) byHandler.clear();
    else byHandler.delete(handler);
    this.forgetIfEmpty(name);
  }

  /** Calls the name's handlers in the order in which they were added. */
  tell(name: string, payload: Payload): void {
    this.lists.get(name)?.call([payload]);
  }

  private forgetIfEmpty(name: string): void {
    if (this.lists.get(name)?.size !== 0) return;
    this.lists.delete(name);
    this.removals.delete(name);
  }
}
