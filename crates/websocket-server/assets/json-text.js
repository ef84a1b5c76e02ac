// JSON as text, exactly as written: a tokenizer that reports faults with their place, and re-indents or compacts without
// going through numbers, so that 64-bit integers and the sender's escapes survive. No DOM. Iterative: nesting costs no stack.

const PATTERN = {
  space: /[ \t\n\r]+/y,
  string: /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y,
  number: /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y,
  literal: /(?:true|false|null)(?![A-Za-z0-9_])/y,
};

/** A fault in a JSON text; `message` is for people and begins with the place. */
export class JsonFault extends Error {
  constructor(text, offset, what) {
    const before = text.slice(0, offset).split("\n");
    const line = before.length;
    const column = before[line - 1].length + 1;
    super(`Line ${line}, column ${column}: ${what}`);
    Object.assign(this, { name: "JsonFault", line, column, offset });
  }
}

/**
 * Reads one JSON value into tokens `{kind, text, depth, at}`; kinds are `punctuation`, `key`, `string`, `number`, `literal`.
 * Throws a `JsonFault` where the text is not JSON.
 */
export function tokenize(text) {
  const tokens = [];
  const open = [];
  let offset = 0;
  let expects = "value";

  const skip = () => {
    PATTERN.space.lastIndex = offset;
    if (PATTERN.space.test(text)) offset = PATTERN.space.lastIndex;
  };
  const take = (kind, pattern) => {
    pattern.lastIndex = offset;
    const match = pattern.exec(text);
    if (!match) return false;
    push(kind, match[0]);
    return true;
  };
  const push = (kind, piece) => {
    tokens.push({ kind, text: piece, depth: open.length, at: offset });
    offset += piece.length;
  };
  const afterValue = () => { expects = open.length === 0 ? "end" : "comma"; };
  const close = (bracket) => {
    open.pop();
    push("punctuation", bracket);
    afterValue();
  };

  for (;;) {
    skip();
    const here = text[offset];
    if (here === undefined) {
      if (expects === "end") return tokens;
      throw new JsonFault(text, offset, tokens.length === 0 ? "a JSON value is needed; {} is the smallest object"
        : `the text ends too early; ${expectation(expects, open.at(-1))}`);
    }
    if (expects === "end") throw new JsonFault(text, offset, "one value only; this is left over");
    if (expects === "comma") {
      if (here === closer(open.at(-1))) close(here);
      else if (here === ",") {
        push("punctuation", ",");
        expects = open.at(-1) === "{" ? "key" : "value";
      } else throw new JsonFault(text, offset, expectation("comma", open.at(-1)));
    } else if (expects === "key" || expects === "first key") {
      if (here === "}" && expects === "first key") close("}");
      else if (take("key", PATTERN.string)) expects = "colon";
      else throw new JsonFault(text, offset, here === "}" ? "a comma before the closing brace is one too many"
        : here === '"' ? stringFault(text, offset) : "a member's name in double quotes is needed");
    } else if (expects === "colon") {
      if (here !== ":") throw new JsonFault(text, offset, expectation("colon"));
      push("punctuation", ":");
      expects = "value";
    } else if (here === "{" || here === "[") {
      push("punctuation", here);
      open.push(here);
      expects = here === "{" ? "first key" : "first value";
    } else if (here === "]" && expects === "first value") close("]");
    else if (take("string", PATTERN.string) || take("number", PATTERN.number) || take("literal", PATTERN.literal)) afterValue();
    else throw new JsonFault(text, offset, valueFault(text, offset));
  }
}

function closer(bracket) {
  return bracket === "{" ? "}" : "]";
}

function expectation(expects, bracket) {
  if (expects === "comma") return `a comma or ${closer(bracket)} is needed`;
  if (expects === "colon") return "a colon is needed after the member's name";
  if (expects.endsWith("key")) return "a member's name or } is needed";
  return "a value is needed";
}

function stringFault(text, offset) {
  const line = text.slice(offset).split("\n", 1)[0];
  return /^"(?:[^"\\]|\\.)*"/.test(line) ? "this string holds an escape or a control character that JSON does not know"
    : "this string has no closing quote on its line";
}

function valueFault(text, offset) {
  const here = text[offset];
  if (here === '"') return stringFault(text, offset);
  if (here === "'") return "JSON strings stand in double quotes";
  if (here === "]" || here === "}" || here === ",") return "a value is missing here";
  const word = /^[\w.+-]+/.exec(text.slice(offset, offset + 40));
  return word ? `“${word[0]}” is no JSON value; text stands in double quotes` : `“${here}” does not begin a JSON value`;
}

/** The same JSON without white space between tokens. */
export function compact(text) {
  return tokenize(text).map((token) => token.text).join("");
}

/** The tokens of the same JSON with line breaks and two-space indents put into their `text`. */
export function indented(text) {
  const tokens = tokenize(text);
  return tokens.map((token, index) => {
    const { text: piece, depth } = token;
    const next = tokens[index + 1]?.text;
    const breakTo = (level) => `\n${"  ".repeat(level)}`;
    const opens = token.kind === "punctuation" && (piece === "{" || piece === "[");
    let shown = piece;
    if (token.kind === "punctuation" && piece === ":") shown = ": ";
    else if (token.kind === "punctuation" && piece === ",") shown = `,${breakTo(depth)}`;
    else if (opens && next !== "}" && next !== "]") shown = piece + breakTo(depth + 1);
    const nextToken = tokens[index + 1];
    const closesNext = nextToken?.kind === "punctuation" && (next === "}" || next === "]");
    if (closesNext && !opens) shown += breakTo(nextToken.depth);
    return { kind: token.kind, text: shown };
  });
}

/** The same JSON, indented by two spaces. */
export function pretty(text) {
  return indented(text).map((token) => token.text).join("");
}

/** The members of a JSON object as raw text by name: `{"a":1}` gives `a → "1"`. Throws a `JsonFault`. */
export function rawMembers(text) {
  const tokens = tokenize(text);
  const members = new Map();
  if (tokens[0].text !== "{") return members;
  let name = null;
  let pieces = [];
  for (const token of tokens.slice(1)) {
    const top = token.depth === 1 && (token.kind === "key" || token.text === ",");
    const ends = token.depth === 0;
    if (name !== null && (ends || (top && token.text === ","))) {
      members.set(name, pieces.join(""));
      name = null;
    } else if (name === null && token.kind === "key" && token.depth === 1) {
      name = JSON.parse(token.text);
      pieces = [];
    } else if (name !== null && !(pieces.length === 0 && token.text === ":" && token.depth === 1)) {
      pieces.push(token.text);
    }
  }
  return members;
}
