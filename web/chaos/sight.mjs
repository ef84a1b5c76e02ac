// What the applications of one process saw, in a form that stays small: an event is kept once, with what it looked like, and each
// client has a list of numbers. Not here: whether it is right (check.mjs).

/** The most lines that a client's story keeps. */
const STORY = 400;

/** All that the clients of one process saw. */
export class Sights {
  /** `[id, type, what, places]`: `what` tells events apart, `places` are its offsets by stream. */
  seen = [];
  all = [];
  #numbers = new Map();

  begin(member) {
    const sight = new Sight(this, member);
    this.all.push(sight);
    return sight;
  }

  /** The number of an event as this client got it. */
  number(event) {
    const { id, type, channel, offset, epoch, also } = event;
    const what = whatOf(event);
    const key = `${id} ${type} ${what} ${channel} ${offset} ${epoch} ${also === undefined ? "" : JSON.stringify(also)}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.seen.length;
    this.#numbers.set(key, number);
    this.seen.push([id, type, what, { ...also, [channel]: offset }, channel, epoch]);
    return number;
  }
}

/** What tells an event from others, whoever saw it: a direct publication's number, the data of a service's event. */
export function whatOf({ type, data }) {
  return type === "chaos" ? `${data.p}/${data.n}` : JSON.stringify(data);
}

/** What one client saw, from its making to its end. */
export class Sight {
  member;
  /** Where each stream began for it: `{epoch, offset, from}`, `from` being how many events it had by then. */
  bases = new Map();
  events = [];
  /** Gaps, plain events, closes that should not be: each a fault. */
  wrong = [];
  /** Tokens that were taken twice: when, and when again. */
  tokens = [];
  story = [];
  ended = false;
  /** Whether it saw the run's last event. */
  complete = false;
  #sights;
  #began = Date.now();

  constructor(sights, member) {
    this.#sights = sights;
    this.member = member;
  }

  saw(event) {
    if (this.ended) return;
    if (typeof event.id !== "string" || !Number.isSafeInteger(event.offset)) {
      return this.fault(`an event without a place: ${JSON.stringify(event).slice(0, 300)}`);
    }
    this.events.push(this.#sights.number(event));
    if (event.type === "chaos_end") this.complete = true;
  }

  /** The server told where streams stand. */
  told(positions, how) {
    if (this.ended) return;
    let recovered = 0;
    for (const [stream, { epoch, offset, recovered: is }] of Object.entries(positions ?? {})) {
      if (is === true) recovered += 1;
      const known = this.bases.get(stream);
      if (known === undefined) this.bases.set(stream, { epoch, offset, from: this.events.length });
      else if (known.epoch !== epoch) {
        this.fault(`${stream} has another epoch: ${known.epoch} before, ${epoch} now`);
        known.epoch = epoch;
      }
    }
    this.tell(`${how}, ${recovered} of ${Object.keys(positions ?? {}).length} recovered`);
  }

  tell(text) {
    if (this.story.length === STORY) this.story.splice(0, STORY / 2);
    this.story.push([this.events.length, Date.now(), text]);
  }

  fault(text) {
    this.tell(`WRONG: ${text}`);
    if (this.wrong.length < 20) this.wrong.push([Date.now(), text]);
  }

  value() {
    const { member, bases, events, wrong, tokens, story, ended, complete } = this;
    const { name, kind, userId } = member;
    return {
      name,
      kind,
      userId,
      began: this.#began,
      bases: [...bases],
      events,
      wrong,
      tokens,
      story,
      ended,
      complete,
    };
  }
}
