// Where a client stands in each stream that it follows, and which events it has had. Pure: it reads members of frames, and
// knows no connection. When positions are sent is in recovery.ts.

import { member } from "./frames.js";
import type { FanfareEvent } from "./types.js";

/** A stream's place in a client. */
interface Place {
  readonly epoch: string;
  /** Whether the server told it in `positions`; `also` speaks of such epochs only. */
  readonly told: boolean;
  /** From behind this one on the client has had every event up to `offset`. What is at or before it may never have come. */
  readonly base: number;
  readonly offset: number;
}

/** What another tab, or a later connection, goes on from. */
export type Places = Readonly<Record<string, Place>>;

/** A position as it is on the wire. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** The positions of a client. */
export interface Positions {
  /** Notes an event as had. True if it was had before. */
  had(event: FanfareEvent): boolean;
  /**
   * Takes the server's word on streams. Of those that begin or go on here it returns the ones in which events are missing; of the
   * others it is only how far the server is.
   */
  told(
    said: readonly (readonly [stream: string, said: unknown])[],
    here: (stream: string) => boolean,
  ): string[];
  /** Those of the streams that have one, for a frame. */
  of(streams: readonly string[]): Record<string, Position>;
  streams(): string[];
  forget(stream: string): void;
  /** All of it, as a value. */
  all(): Places;
}

/** Whether a stream is followed without being asked for: `@all`, and those of users. */
export function isImplicit(stream: string): boolean {
  return /^(@|user:)/.test(stream);
}

const isOffset = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Makes positions that go on from the places given. */
export function createPositions(from: Places = {}): Positions {
  const places = new Map(Object.entries(from));
  return {
    had(event) {
      let repeat = false;
      const see = (stream: unknown, offset: unknown, epoch?: unknown) => {
        const place = places.get(stream as string);
        if (!place || !isOffset(offset)) return;
        if (typeof epoch === "string" ? epoch !== place.epoch : !place.told) {
          // Its history was lost or reset while the connection lasted.
          if (typeof epoch !== "string") return;
          places.set(stream as string, { epoch, told: false, base: offset - 1, offset });
          return;
        }
        if (offset > place.offset) places.set(stream as string, { ...place, offset });
        // One stream in which it was had is enough: an offset in an epoch is one event for ever.
        else if (offset > place.base) repeat = true;
      };
      see(event.channel, event.offset, event.epoch);
      for (const [stream, offset] of Object.entries(event.also ?? {})) see(stream, offset);
      return repeat;
    },
    told(said, here) {
      const missing: string[] = [];
      for (const [stream, position] of said) {
        const epoch = member(position, "epoch");
        const end = member(position, "offset");
        // What is for one connection only can't be recovered.
        if (stream === "@connection" || typeof epoch !== "string" || !isOffset(end)) continue;
        if (!here(stream)) continue;
        const place = places.get(stream);
        // Where the stream did not move nothing is missing, whatever the server keeps.
        const goesOn =
          place?.epoch === epoch && (member(position, "recovered") === true || end === place.offset);
        // A stream that begins does so where the others stand, so its position is true at once.
        if (goesOn) places.set(stream, { ...place, told: true });
        else places.set(stream, { epoch, told: true, base: end, offset: end });
        if (place && !goesOn) missing.push(stream);
      }
      return missing;
    },
    of(streams) {
      // A channel may be called `__proto__`.
      return Object.fromEntries(
        streams.flatMap((stream) => {
          const place = places.get(stream);
          return place ? [[stream, { epoch: place.epoch, offset: place.offset }]] : [];
        }),
      );
    },
    streams: () => [...places.keys()],
    forget: (stream) => void places.delete(stream),
    all: () => Object.fromEntries(places),
  };
}
