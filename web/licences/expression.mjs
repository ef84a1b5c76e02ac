// Licence expressions (SPDX), as far as packages use them: OR, AND, WITH, parentheses. Not here: which licences are allowed.

/**
 * Whether there is a choice under `expression` that is allowed whole. What is not an expression is not.
 *
 * @param {unknown} expression such as `(MIT OR GPL-3.0-only) AND ISC`
 * @param {ReadonlySet<string>} allowed identifiers; one with an exception stands there whole, `A WITH b`
 * @returns {boolean}
 */
export function isAllowed(expression, allowed) {
  if (typeof expression !== "string") return false;
  const words = expression.replaceAll("(", " ( ").replaceAll(")", " ) ").split(/\s+/).filter(Boolean);
  const reader = new Reader(words, allowed);
  const result = reader.either();
  return result === true && reader.atEnd();
}

/** Reads an expression from left to right; AND binds closer than OR. `undefined` is "not an expression". */
class Reader {
  #words;
  #allowed;
  #at = 0;

  constructor(words, allowed) {
    this.#words = words;
    this.#allowed = allowed;
  }

  atEnd() {
    return this.#at === this.#words.length;
  }

  either() {
    let allowed = this.#both();
    while (allowed !== undefined && this.#take("OR")) {
      const other = this.#both();
      allowed = other === undefined ? undefined : allowed || other;
    }
    return allowed;
  }

  #both() {
    let allowed = this.#one();
    while (allowed !== undefined && this.#take("AND")) {
      const other = this.#one();
      allowed = other === undefined ? undefined : allowed && other;
    }
    return allowed;
  }

  #one() {
    if (this.#take("(")) {
      const allowed = this.either();
      return this.#take(")") ? allowed : undefined;
    }
    const name = this.#name();
    if (name === undefined) return undefined;
    if (!this.#take("WITH")) return this.#allowed.has(name);
    const exception = this.#name();
    return exception === undefined ? undefined : this.#allowed.has(`${name} WITH ${exception}`);
  }

  #name() {
    const word = this.#words[this.#at];
    if (word === undefined || !/^[A-Za-z0-9][A-Za-z0-9.+-]*$/.test(word)) return undefined;
    if (word === "OR" || word === "AND" || word === "WITH") return undefined;
    this.#at += 1;
    return word;
  }

  #take(word) {
    if (this.#words[this.#at] !== word) return false;
    this.#at += 1;
    return true;
  }
}
