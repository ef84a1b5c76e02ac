// Knows which frames came last, so that those which the server sends a second time after `reconnect` are not told twice. Knows
// nothing of connections.
//
// Flat frames have no ids. But what the server repeats is a piece of what came before, to its very end and in order: it goes on
// from the last frame that it knows to have arrived. So a repetition is looked for where the first frame after the reconnect stands
// among the last ones, and holds as long as the next ones follow there too. One that differs ends it.

/** Frames that are kept at most: far more than come between two pings on a connection that a person looks at. */
const MAX_FRAMES = 1_000;

/** Characters that are kept at most, in all of them. */
const MAX_CHARACTERS = 1_048_576;

/** The last frames of a connection. */
export class Tail {
  private texts: string[] = [];
  private characters = 0;
  /** Where the repetition goes on; undefined while none is expected, -1 where it has not begun. */
  private next: number | undefined;

  /** From here on frames may be repetitions: the connection was restored. */
  expectRepeats(): void {
    this.next = this.texts.length > 0 ? -1 : undefined;
  }

  /** Nothing of it will be repeated: a new connection, another user. */
  clear(): void {
    this.texts = [];
    this.characters = 0;
    this.next = undefined;
  }

  /** From here on nothing is a repetition any more: what the server had to repeat is long through. */
  expectNone(): void {
    this.next = undefined;
  }

  /** Takes note of a frame. True if it is one that came before. */
  repeats(text: string): boolean {
    if (this.next !== undefined) {
      // The newest of equal ones: rather twice than never.
      const at = this.next === -1 ? this.texts.lastIndexOf(text) : this.next;
      if (at >= 0 && this.texts[at] === text) {
        this.next = at + 1 < this.texts.length ? at + 1 : undefined;
        return true;
      }
      this.next = undefined;
    }
    this.texts.push(text);
    this.characters += text.length;
    while (this.texts.length > MAX_FRAMES || this.characters > MAX_CHARACTERS) {
      this.characters -= this.texts.shift()?.length ?? 0;
    }
    return false;
  }
}
