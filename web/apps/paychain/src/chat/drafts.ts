// What was typed and not sent, by conversation: kept for as long as the window, over reloads. It goes with its window, as the
// machine may be somebody else's tomorrow.

/** At most so many characters are kept: more than a message may have. */
const MOST = 16_384;

const nameOf = (me: number, peer: number | string) => `paychain.draft.${me}.${peer}`;

/** The draft to somebody; empty if there is none. */
export function draftOf(me: number, peer: number | string): string {
  try {
    return sessionStorage.getItem(nameOf(me, peer)) ?? "";
  } catch {
    return "";
  }
}

/** Keeps a draft; an empty one is forgotten. */
export function keepDraft(me: number, peer: number | string, text: string): void {
  try {
    if (text === "") sessionStorage.removeItem(nameOf(me, peer));
    else sessionStorage.setItem(nameOf(me, peer), text.slice(0, MOST));
  } catch {
    // A browser that keeps nothing, or is full: then it lasts as long as the panel.
  }
}
