// Somebody to chat with who is alone on the social demo: an account and a connection of its own, in the same page, that reads what it is
// sent, types, and answers. All of it goes through the server, as if it were another device. No DOM.

/** So long after a message it has read it, and so long it types, milliseconds: a person's pace. */
const READS_AFTER_MS = 700;
const TYPES_MS = 1_600;

const ANSWERS = [
  (text) => `“${text}” has arrived here. I am another account, with a connection of its own.`,
  () => "Switch the network off, and I shall write meanwhile. When you are back, nothing is missing.",
  (text) => `That was ${text.length} characters. They went through the hub to the chat service, were stored, and came out here.`,
  () => "Your tick turned to Read when I read it. A moment ago you saw me type.",
];

export class Partner {
  #Client;
  #session;
  #timers = new Set();
  #ws = null;
  #answers = 0;

  /** `session` holds its account. */
  constructor({ Client, session }) {
    this.#Client = Client;
    this.#session = session;
  }

  /** Its user and name, null before there is an account. */
  get current() {
    return this.#session.current;
  }

  /** Whether it is there. */
  get isThere() {
    return this.#ws !== null;
  }

  /** Comes, with an account that it makes where it has none. Throws a `TypeError` in words. */
  async join() {
    if (this.current === null || this.#session.isOver) await this.#session.makeAccount();
    if (this.#ws !== null) return;
    const ws = new this.#Client({ token: () => this.#session.freshToken() });
    this.#ws = ws;
    ws.on("chat", "message_received", (message) => this.#received(message));
    ws.connect();
  }

  /** Goes, without a word. */
  leave() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#ws?.disconnect();
    this.#ws = null;
  }

  #received({ id, from_user_id: from, message }) {
    if (String(from) === this.current?.userId) return;
    // One answer to what came in one go.
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#after(READS_AFTER_MS, (ws) => {
      ws.markRead(id);
      ws.setTyping(from, true);
      this.#after(TYPES_MS, () => {
        const answer = ANSWERS[this.#answers % ANSWERS.length](shortened(message));
        this.#answers += 1;
        ws.setTyping(from, false);
        ws.sendMessage(from, answer);
      });
    });
  }

  #after(ms, run) {
    const ws = this.#ws;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (ws !== null && ws === this.#ws) run(ws);
    }, ms);
    this.#timers.add(timer);
  }
}

function shortened(text) {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
