// What was typed and is not known to be stored: sent in its order, shown until it is there, tried again without being sent
// twice. No components here.
//
// A message goes over the open connection, and by HTTP where there is none. Only by HTTP it has a key, so whatever was lost on the
// connection may be stored or not: before it goes out again the conversation is looked at, and its own event is waited for as well.

import { type Client, RequestError } from "@fanfare/client";
import { newKey } from "../api/attempt";
import { type Api, answer } from "../api/client";
import { ApiProblem, NoAnswer } from "../api/problem";
import { isSame, type PersonId } from "./person";
import type { ChatMessage, MessageList } from "./wire";

/** The hub has an answer of the service after 5 s at most (contract: socketio); what it still carries out then, it gave up on. */
const SETTLED = 5_000;

/** How far back it looks for a message that may have been stored. */
const LOOK_BACK = 50;

/** So many ids are kept; who writes more while one message is uncertain may have it taken for another with the same words. */
const MOST_KNOWN = 1_000;

/** At most so many wait; one more is refused by `send`. */
export const MOST_WAITING = 100;

/** A message that is not known to be stored. A value. */
export interface Unsent {
  readonly key: string;
  readonly peer: PersonId;
  readonly text: string;
  /** When it was written, in milliseconds since 1970. */
  readonly at: number;
  readonly state: "sending" | "failed";
  /** Why it failed: what was thrown. */
  readonly error: unknown;
}

interface Entry {
  shown: Unsent;
  /** It may be stored: it went out over a connection that did not answer. */
  uncertain: boolean;
  /** It is under way by HTTP, where its own event may be faster than its answer. */
  posted: boolean;
  triedAt: number;
  /** What the conversation ended with when it was first sent: what is stored of it comes later. */
  after: number;
  /** Whether it fails for a reason that passes by itself. */
  passing: boolean;
}

/** What an outbox needs. */
export interface OutboxHost {
  readonly client: Pick<Client, "request" | "state" | "onState">;
  readonly api: Api;
  readonly me: PersonId;
  /** A message is stored. */
  stored(message: ChatMessage): void;
  /** Messages that were loaded on the way. */
  loaded(list: MessageList): void;
  /** The latest message of the conversation that is known here; 0 for none, null while it is not loaded. */
  latest(peer: PersonId): number | null;
  now(): number;
  pause(ms: number): Promise<void>;
}

/** The messages of one account that are on their way, in this window. */
export class Outbox {
  readonly #host: OutboxHost;
  #entries: readonly Entry[] = [];
  #shown: readonly Unsent[] = [];
  readonly #listeners = new Set<() => void>();
  /** The last one of each conversation: the next waits for it. */
  readonly #turns = new Map<string, Promise<void>>();
  /** The ids under which messages of this window are stored: they are no answer to another one with the same words. */
  readonly #known = new Set<number>();

  constructor(host: OutboxHost) {
    this.#host = host;
  }

  /** All of them, oldest first; the same array until something changes. */
  readonly unsent = (): readonly Unsent[] => this.#shown;

  /** Calls `listener` after each change. Returns the removal. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Tries again what failed for want of a connection, whenever there is one again. Returns what ends that. */
  watch(): () => void {
    return this.#host.client.onState(({ status }) => {
      if (status !== "open") return;
      for (const { shown, passing } of this.#entries) {
        if (shown.state === "failed" && passing) this.retry(shown.key);
      }
    });
  }

  /** Sends a text. False if too many wait. */
  send(peer: PersonId, text: string): boolean {
    if (this.#entries.length >= MOST_WAITING) return false;
    const key = newKey();
    const shown: Unsent = { key, peer, text, at: this.#host.now(), state: "sending", error: null };
    this.#entries = [
      ...this.#entries,
      { shown, uncertain: false, posted: false, triedAt: 0, after: 0, passing: false },
    ];
    this.#tell();
    this.#queue(key);
    return true;
  }

  /** Sends again what failed; it is stored once however often that is done. */
  retry(key: string): void {
    const entry = this.#find(key);
    if (entry?.shown.state !== "failed") return;
    entry.shown = { ...entry.shown, state: "sending", error: null };
    this.#tell();
    this.#queue(key);
  }

  /** Gives up one that failed. */
  remove(key: string): void {
    if (this.#find(key)?.shown.state === "failed") this.#drop(key);
  }

  /** A message of this user's came as an event: of one whose answer was lost it tells that it is stored. */
  arrived(message: ChatMessage): void {
    const entry = this.#entries.find((each) => (each.uncertain || each.posted) && this.#isOf(message, each));
    if (!entry) return;
    this.#know(message.id);
    this.#drop(entry.shown.key);
  }

  #isOf(message: ChatMessage, { shown, after }: Entry): boolean {
    return (
      isSame(message.from_user_id, this.#host.me) &&
      isSame(message.to_user_id, shown.peer) &&
      message.message === shown.text &&
      message.id > after &&
      !this.#known.has(message.id)
    );
  }

  #queue(key: string): void {
    const entry = this.#find(key);
    if (!entry) return;
    const peer = String(entry.shown.peer);
    const run = () => this.#run(key);
    const mine = (this.#turns.get(peer) ?? Promise.resolve()).then(run, run);
    this.#turns.set(peer, mine);
    void mine.then(() => {
      if (this.#turns.get(peer) === mine) this.#turns.delete(peer);
    });
  }

  async #run(key: string): Promise<void> {
    const entry = this.#find(key);
    if (!entry) return;
    try {
      const id = await this.#attempt(entry);
      // An event may have been faster.
      if (id !== null) this.#know(id);
      if (id !== null && this.#find(key)) {
        this.#drop(key);
        this.#host.stored(this.#message(entry, id));
      }
    } catch (error) {
      if (this.#find(key) !== entry) return;
      entry.passing = !(error instanceof ApiProblem) || error.status === 503;
      entry.shown = { ...entry.shown, state: "failed", error };
      this.#tell();
    }
  }

  /** The id that it is stored under; null if it turned out to be stored. Throws where it is not, or nobody knows. */
  async #attempt(entry: Entry): Promise<number | null> {
    const { shown } = entry;
    if (entry.uncertain) {
      await this.#host.pause(Math.max(0, entry.triedAt + SETTLED - this.#host.now()));
      if (await this.#wasStored(entry)) return null;
    } else if (entry.triedAt === 0 && this.#host.client.state.status === "open") {
      // Where nobody could tell later whether it was stored, it goes with a key at once.
      const latest = this.#host.latest(shown.peer);
      if (latest !== null) {
        entry.after = latest;
        const id = await this.#overConnection(entry);
        if (id !== null) return id;
      }
    }
    if (entry.triedAt === 0) {
      entry.triedAt = this.#host.now();
      entry.after = this.#host.latest(shown.peer) ?? Number.POSITIVE_INFINITY;
    }
    const path = { user_id: String(shown.peer) };
    const header = { "Idempotency-Key": shown.key };
    entry.posted = true;
    const stored = await answer(
      this.#host.api.POST("/api/chat/{user_id}/messages", {
        params: { path, header },
        body: { message: shown.text },
      }),
    );
    return stored.id;
  }

  /** Null where nothing was sent, so that it may go another way. */
  async #overConnection(entry: Entry): Promise<number | null> {
    const { peer, text } = entry.shown;
    try {
      const sent = this.#host.client.request("send_message", { to_user_id: peer, message: text });
      const said = await sent;
      entry.triedAt = this.#host.now();
      if (said.success) return Number(said.id);
      if (said.code !== "unavailable") {
        throw new ApiProblem(STATUS[said.code] ?? 400, said.code, said.message, [], null, null);
      }
      // Nobody answered the hub; who was asked may have stored it.
      entry.uncertain = true;
      throw new NoAnswer("unreachable");
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.code !== "lost" && error.code !== "timeout") return null;
      entry.uncertain = true;
      entry.triedAt = this.#host.now();
      throw new NoAnswer(error.code === "lost" ? "unreachable" : "silent");
    }
  }

  async #wasStored(entry: Entry): Promise<boolean> {
    const params = { path: { user_id: String(entry.shown.peer) }, query: { limit: LOOK_BACK } };
    const list = await answer(this.#host.api.GET("/api/chat/{user_id}/messages", { params }));
    // The oldest one: what was sent first was stored first.
    const found = list.items.filter((message) => this.#isOf(message, entry)).at(-1);
    entry.uncertain = false;
    if (found) {
      this.#know(found.id);
      this.#drop(entry.shown.key);
    }
    this.#host.loaded(list);
    return found !== undefined;
  }

  #message({ shown }: Entry, id: number): ChatMessage {
    return {
      id,
      from_user_id: this.#host.me,
      to_user_id: shown.peer,
      message: shown.text,
      timestamp: new Date(shown.at).toISOString(),
      read: isSame(shown.peer, this.#host.me),
    };
  }

  #know(id: number): void {
    this.#known.add(id);
    const [oldest] = this.#known;
    if (this.#known.size > MOST_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }

  #find(key: string): Entry | undefined {
    return this.#entries.find(({ shown }) => shown.key === key);
  }

  #drop(key: string): void {
    this.#entries = this.#entries.filter(({ shown }) => shown.key !== key);
    this.#tell();
  }

  #tell(): void {
    this.#shown = this.#entries.map(({ shown }) => shown);
    for (const listener of [...this.#listeners]) listener();
  }
}

/** The status that a refusal has by HTTP. */
const STATUS: Readonly<Record<string, number>> = { blocked: 403, rate_limited: 429, invalid: 422 };
