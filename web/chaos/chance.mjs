// Choices that a seed repeats. Each part of a run has a source of its own, by name, so that one more choice in one part changes none
// in another. What a run does with them still depends on when things happen; a seed repeats the choices, not the moments.

/** A source of choices. */
export class Chance {
  #a;
  #b;
  #c;
  #count = 1;

  constructor(seed, name) {
    // FNV-1a of the text, three times with another beginning.
    const text = `${seed}/${name}`;
    [this.#a, this.#b, this.#c] = [0x811c9dc5, 0x9e3779b9, 0x7f4a7c15].map((from) => {
      let hash = from;
      for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
      return hash | 0;
    });
    for (let round = 0; round < 12; round += 1) this.next();
  }

  /** From 0 up to, not including, 1: the generator sfc32. */
  next() {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to, not including, `bound`. */
  below(bound) {
    return Math.floor(this.next() * bound);
  }

  /** A number in a range. */
  within(low, high) {
    return low + this.next() * (high - low);
  }

  /** A number in a range, small ones as often as ones ten times as large. */
  spread(low, high) {
    return Math.exp(this.within(Math.log(low), Math.log(high)));
  }

  /** Whether something happens that does so with this probability. */
  happens(probability) {
    return this.next() < probability;
  }

  /** One of a list. */
  of(list) {
    return list[this.below(list.length)];
  }

  /** Several of a list, each once, in the order of chance. */
  some(count, list) {
    const left = [...list];
    const taken = [];
    while (taken.length < count && left.length > 0) taken.push(left.splice(this.below(left.length), 1)[0]);
    return taken;
  }

  /** One of the names of `weights`, as often as its weight says. */
  weighted(weights) {
    const entries = Object.entries(weights);
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return name;
    }
    return entries[0][0];
  }
}
