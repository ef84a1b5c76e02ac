// Typing, both ways: when it is told of this user, and how long it is shown of the other. No components here.

/** While somebody types it is told at most every so often, milliseconds; the service ends it after 6 s (contract: socketio). */
export const AGAIN = 3_000;

/** How long it is shown without another word: the service's 6 s, and what a slow network takes. */
export const SHOWN = 7_000;

/** Tells of this user's typing in one conversation. */
export interface TypingTeller {
  /** The text in the composer changed. */
  readonly changed: (text: string) => void;
  /** It was sent, or nobody looks at it any more. */
  readonly ended: () => void;
}

/** Makes one; `tell` sends it, and `now` is in milliseconds. */
export function typingTeller(tell: (isTyping: boolean) => void, now: () => number): TypingTeller {
  /** When it was last told that they type; null if the last word was that they do not. */
  let told: number | null = null;
  const ended = () => {
    if (told === null) return;
    told = null;
    tell(false);
  };
  return {
    changed(text) {
      if (text.trim() === "") return ended();
      if (told !== null && now() - told < AGAIN) return;
      told = now();
      tell(true);
    },
    ended,
  };
}
