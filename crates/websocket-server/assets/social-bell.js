// The notifications that the bell of the social demo counts, in the page: the newest first, each read or not. No DOM. They are gone
// with the page, since nothing keeps them.

/** Notifications that are kept; the oldest go. */
export const MOST_NOTIFICATIONS = 100;

/** The most that a badge can show. */
const MOST_SHOWN = 99;

const MOST_TEXT = 300;

/** An entry: `{id, title, message, at, isRead}`, texts in one line. */
export class Bell {
  #entries = [];
  #made = 0;

  /** The newest first. */
  get all() {
    return [...this.#entries];
  }

  /** How many are unread. */
  get unread() {
    return this.#entries.filter(({ isRead }) => !isRead).length;
  }

  /** The number on the badge, "" where there is none. */
  get badge() {
    const { unread } = this;
    if (unread === 0) return "";
    return unread > MOST_SHOWN ? `${MOST_SHOWN}+` : String(unread);
  }

  /** Takes a `notification`. Gives its entry; null where it is known already, or none. */
  take(data, now) {
    if (typeof data !== "object" || data === null) return null;
    this.#made += 1;
    const id = line(data.id) || `page-${this.#made}`;
    if (this.#entries.some((entry) => entry.id === id)) return null;
    const at = Date.parse(line(data.timestamp));
    const title = line(data.title);
    const message = line(data.message);
    const entry = {
      id, title: title || message || "Notification", message: title ? message : "",
      at: Number.isFinite(at) ? at : now, isRead: data.is_read === true,
    };
    this.#entries.unshift(entry);
    this.#entries.length = Math.min(this.#entries.length, MOST_NOTIFICATIONS);
    return entry;
  }

  /** One was read, here or on another device. */
  read(id) {
    for (const entry of this.#entries) if (entry.id === line(id)) entry.isRead = true;
  }

  /** All were read. */
  readAll() {
    for (const entry of this.#entries) entry.isRead = true;
  }

  /** One was deleted. */
  remove(id) {
    this.#entries = this.#entries.filter((entry) => entry.id !== line(id));
  }
}

/** A string or number as one line of bounded length; anything else is "". */
export function line(value) {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  if (typeof value !== "string") return "";
  const text = value.replace(/\s+/g, " ").trim();
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT - 1)}…` : text;
}
