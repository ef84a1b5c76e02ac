// What both elements have in common: attributes, the theme, the words, and an inbox: the one that the page gives, or one made of the
// attributes. It is made anew when what it was made of changes.

import { createInbox } from "../inbox.js";
import { type Texts, textsFor } from "../texts.js";
import type { Inbox, Live } from "../types.js";
import { adopt, make } from "./dom.js";
import {
  defaultBase,
  type GetToken,
  isToken,
  type LiveKind,
  type Source,
  sourceOf,
  storedToken,
} from "./service.js";
import { BASE, TOKENS } from "./sheet-base.js";

/** The attributes that an inbox is made of. */
const MADE_OF = ["base-url", "token", "live"];

/** Notifications of a page: more than a panel shows, so that scrolling does not wait. */
const PAGE = 50;

const KINDS: readonly string[] = ["ws", "socketio", "none"];

/** HTMLElement, or on a server something that can be extended and is never made. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/** An element with an inbox. */
export abstract class InboxElement extends Base {
  static readonly observedAttributes = [...MADE_OF, "locale", "theme", "sound-url"];

  protected readonly root: HTMLElement;
  protected texts!: Texts;
  private givenToken: GetToken | null = null;
  private givenInbox: Inbox | null = null;
  private givenLive: Live | null = null;
  private running: { readonly inbox: Inbox; end(): void } | null = null;
  private isWaiting = false;

  constructor(sheet: string) {
    super();
    const shadow = this.attachShadow({ mode: "open", delegatesFocus: false });
    adopt(shadow, BASE);
    adopt(shadow, sheet);
    this.root = make("div", { className: "root", part: "root" });
    shadow.append(this.root);
  }

  /** Gives the user's token, or null; instead of the attribute `token`. Asked before each call. */
  get getToken(): GetToken | null {
    return this.givenToken;
  }
  set getToken(given: GetToken | null) {
    this.givenToken = given;
    this.restart();
  }

  /** An inbox of the page's own, in place of one made of the attributes. The page made it; the element starts and stops it. */
  get inbox(): Inbox | null {
    return this.running?.inbox ?? this.givenInbox;
  }
  set inbox(given: Inbox | null) {
    this.givenInbox = given;
    this.restart();
  }

  /** Where events come from, in place of the attribute `live`. */
  get live(): Live | null {
    return this.givenLive;
  }
  set live(given: Live | null) {
    this.givenLive = given;
    this.restart();
  }

  connectedCallback(): void {
    for (const name of ["getToken", "inbox", "live"] as const) this.upgrade(name);
    addEventListener("storage", this.stored);
    // What the page gives, it may give in a script that is still to come.
    if (document.readyState !== "loading") this.begin();
    else if (!this.isWaiting) {
      this.isWaiting = true;
      document.addEventListener("DOMContentLoaded", () => this.isConnected && this.begin(), { once: true });
    }
  }

  disconnectedCallback(): void {
    removeEventListener("storage", this.stored);
    this.finish();
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now) return;
    if (name === "theme") this.dress();
    else this.restart();
  }

  /** Begins to show an inbox; returns the end. */
  protected abstract show(inbox: Inbox): () => void;

  /** Whether it needs the list and the events. */
  protected abstract readonly needsList: boolean;

  private begin(): void {
    if (this.running) return;
    this.texts = textsFor(this.getAttribute("locale") ?? (document.documentElement.lang || undefined));
    this.dress();
    const made = this.givenInbox ? { inbox: this.givenInbox, end() {} } : this.make();
    const end = this.show(made.inbox);
    if (this.needsList) made.inbox.start();
    this.running = {
      inbox: made.inbox,
      end: () => {
        end();
        if (this.needsList) made.inbox.stop();
        made.end();
      },
    };
  }

  private finish(): void {
    this.running?.end();
    this.running = null;
    this.root.replaceChildren();
  }

  private restart(): void {
    if (!this.running) return;
    this.finish();
    if (this.isConnected) this.begin();
  }

  private make(): { inbox: Inbox; end(): void } {
    const base = this.getAttribute("base-url") || defaultBase();
    const getToken: GetToken = (request) =>
      this.givenToken ? this.givenToken(request) : this.getAttribute("token") || storedToken();
    const kind = this.getAttribute("live") ?? "auto";
    const source: Source =
      this.givenLive || !this.needsList
        ? { live: this.givenLive, end() {} }
        : sourceOf((KINDS.includes(kind) ? kind : "auto") as LiveKind, base, getToken);
    return {
      inbox: createInbox({ baseUrl: base, getToken, live: source.live, pageSize: PAGE }),
      end: source.end,
    };
  }

  /** Light, dark, or as the page. */
  private dress(): void {
    const theme = this.getAttribute("theme");
    const page = getComputedStyle(document.documentElement);
    const inherits = TOKENS.every((name) => page.getPropertyValue(`--${name}`) !== "");
    this.root.classList.toggle("light", theme === "light");
    this.root.classList.toggle("dark", theme === "dark");
    this.root.classList.toggle("inherits", inherits);
  }

  /** Somebody signed in or out in another window. */
  private readonly stored = (event: StorageEvent): void => {
    if (isToken(event) && !this.givenToken && !this.givenInbox && !this.hasAttribute("token")) this.restart();
  };

  /** Takes a property that was set before the element was defined. */
  private upgrade(name: "getToken" | "inbox" | "live"): void {
    if (!Object.hasOwn(this, name)) return;
    const value = this[name];
    delete this[name as never];
    (this as Record<string, unknown>)[name] = value;
  }
}
