// How a person is told of what comes in while they look elsewhere: a sound, and a notification of the desktop. Each only if they want it,
// once, in whatever number of windows. Nothing here changes the inbox.
//
// A sound is played by one window of the browser, at most one in 2 s, and only where somebody has done something before: browsers
// refuse it elsewhere. A notification of the desktop is shown while no window of the inbox is looked at, and goes when its
// notification was read or deleted, here or elsewhere.

import type { Arrival, Inbox, Notification as InboxNotification, Remove } from "./types.js";

/** The least time between two sounds of a browser, milliseconds. */
const SOUND_EVERY = 2_000;

/** How long a window in the background waits for one that is looked at to say so, milliseconds. */
const OTHERS_WITHIN = 250;

/** The most notifications of the desktop at a time; the oldest goes. */
const MOST_SHOWN = 5;

/** The longest text that is handed to the desktop, characters. */
const LONGEST_BODY = 200;

const NAME = "fanfare-inbox";
const DESKTOP_KEY = "fanfare_inbox_desktop";
const SOUND_KEY = "fanfare_inbox_sound_at";

/** What alerts are made with. */
export interface AlertOptions {
  /** Default: `/sounds/notification.mp3`, which the hub serves. Null: no sound. */
  soundUrl?: string | null;
  /** The picture on a notification of the desktop. */
  iconUrl?: string;
  /** Called when a notification of the desktop was clicked; the window is in front by then. */
  onOpen?: (notification: InboxNotification) => void;
}

/** Whether there are notifications of the desktop: `off` by choice, `denied` by the browser, which asks no second time. */
export type Desktop = "unsupported" | "off" | "on" | "denied";

/** Tells of what comes in. */
export interface Alerts {
  /** Begins; returns the end. */
  start(): Remove;
  desktop(): Desktop;
  /** Turns notifications of the desktop on or off, for this browser. Call it in a click: the browser may ask then. */
  setDesktop(isWanted: boolean): Promise<Desktop>;
}

/** Alerts of an inbox. Touches nothing before `start()`. */
export function createAlerts(inbox: Inbox, options: AlertOptions = {}): Alerts {
  const { soundUrl = "/sounds/notification.mp3", iconUrl, onOpen } = options;
  const shown = new Map<number, Notification>();
  const waiting = new Map<number, ReturnType<typeof setTimeout>>();
  let audio: HTMLAudioElement | null = null;
  let channel: BroadcastChannel | null = null;

  const desktop = (): Desktop => {
    if (typeof Notification === "undefined" || globalThis.isSecureContext === false) return "unsupported";
    if (Notification.permission === "denied") return "denied";
    return Notification.permission === "granted" && stored(DESKTOP_KEY) === "on" ? "on" : "off";
  };

  async function play(): Promise<boolean> {
    try {
      audio ??= new Audio(soundUrl ?? "");
      audio.currentTime = 0;
      // One that stalls is none, and keeps no other window silent.
      const late = new Promise((resolve) => setTimeout(resolve, SOUND_EVERY, false));
      return (await Promise.race([audio.play().then(() => true), late])) === true;
    } catch {
      // Refused by the browser, or not there: the bell shows it anyway.
      return false;
    }
  }

  function arrived({ notification, sound }: Arrival): void {
    if (sound && soundUrl !== null && mayPlay()) void alone(play).catch(() => {});
    if (document.visibilityState === "visible") {
      channel?.postMessage(notification.id);
      return;
    }
    if (desktop() !== "on") return;
    const timer = setTimeout(() => {
      waiting.delete(notification.id);
      show(notification);
    }, OTHERS_WITHIN);
    waiting.set(notification.id, timer);
  }

  function show(notification: InboxNotification): void {
    if (document.visibilityState === "visible" || desktop() !== "on") return;
    const { id, title, message } = notification;
    let made: Notification;
    try {
      // One tag for all windows: the desktop has it once.
      made = new Notification(title, {
        tag: `${NAME}-${id}`,
        body: message.slice(0, LONGEST_BODY),
        silent: true,
        ...(iconUrl ? { icon: iconUrl } : {}),
      });
    } catch {
      // Phones have them only through a service worker.
      return;
    }
    shown.set(id, made);
    made.onclose = () => shown.delete(id);
    made.onclick = () => {
      globalThis.focus?.();
      hide(id);
      onOpen?.(notification);
    };
    for (const oldest of shown.keys()) {
      if (shown.size <= MOST_SHOWN) break;
      hide(oldest);
    }
  }

  function hide(id: number): void {
    clearTimeout(waiting.get(id));
    waiting.delete(id);
    shown.get(id)?.close();
    shown.delete(id);
  }

  /** Takes away those of what is read or gone by now. */
  function changed(): void {
    if (shown.size + waiting.size === 0) return;
    const { items, unreadCount, filter, status } = inbox.getSnapshot();
    const isWhole = filter.category === null && status === "ready";
    for (const id of [...shown.keys(), ...waiting.keys()]) {
      const one = items.find((item) => item.id === id);
      if (unreadCount === 0 || (one ? one.is_read : isWhole)) hide(id);
    }
  }

  return {
    start() {
      if (typeof BroadcastChannel !== "undefined") {
        channel = new BroadcastChannel(NAME);
        channel.onmessage = ({ data }) => hide(Number(data));
      }
      const offs = [inbox.onArrival(arrived), inbox.subscribe(changed)];
      return () => {
        for (const off of offs) off();
        for (const id of [...shown.keys(), ...waiting.keys()]) hide(id);
        channel?.close();
        channel = null;
      };
    },
    desktop,
    async setDesktop(isWanted) {
      if (!isWanted) {
        store(DESKTOP_KEY, "off");
        for (const id of [...shown.keys()]) hide(id);
        return desktop();
      }
      if (desktop() === "unsupported") return "unsupported";
      try {
        await Notification.requestPermission();
      } catch {
        // The browser did not ask; what it allows says `desktop()`.
      }
      store(DESKTOP_KEY, "on");
      return desktop();
    },
  };
}

/** Whether somebody has done something in this window; where the browser does not say, trying is harmless. */
function mayPlay(): boolean {
  const activation = (globalThis.navigator as { userActivation?: { hasBeenActive: boolean } }).userActivation;
  return activation?.hasBeenActive !== false;
}

/** Runs `run` in one window of the browser at a time, and keeps the others silent for a while if it succeeded. */
async function alone(run: () => Promise<boolean>): Promise<void> {
  if (globalThis.navigator.locks) {
    await navigator.locks.request(`${NAME}-sound`, { ifAvailable: true }, async (lock) => {
      if (lock && (await run())) await new Promise((resolve) => setTimeout(resolve, SOUND_EVERY));
    });
    return;
  }
  // Without locks (a page over http): nearly as good.
  if (Date.now() - Number(stored(SOUND_KEY) ?? 0) < SOUND_EVERY) return;
  store(SOUND_KEY, String(Date.now()));
  await run();
}

function stored(key: string): string | null {
  try {
    return globalThis.localStorage?.getItem(key) ?? null;
  } catch {
    return null;
  }
}

function store(key: string, value: string): void {
  try {
    globalThis.localStorage?.setItem(key, value);
  } catch {
    // Full or forbidden: it stays as it is.
  }
}
