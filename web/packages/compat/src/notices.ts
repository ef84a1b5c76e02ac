// How a user is told that a task has ended, beside the page: a notification of the desktop, a sound, a vibration. Each only if the
// user has chosen it, each end of a task only once, in whatever tab and after whatever reload. No connection here.

import type { FlatFrame } from "./flat-frames.js";
import { type Kept, kept } from "./kept.js";

/** What the user has chosen. */
export interface NoticePreferences {
  /** A notification of the desktop, while the page is not in view. */
  readonly desktop: boolean;
  /** Two short tones: rising after success, falling after failure. */
  readonly sound: boolean;
  /** On devices that can. */
  readonly vibration: boolean;
}

const PREFERENCES_KEY = "fanfare_notification_preferences";

/** Which ends were told already: the server gives the last event of a task again to who joins later. */
const TOLD_KEY = "fanfare_notifications_told";

/** So many of them are kept; a user has few tasks, and an end is repeated for 60 s at most. */
const MAX_TOLD = 20;

const NONE: NoticePreferences = { desktop: false, sound: false, vibration: false };

/** Characters of a text in a notification; desktops show fewer. */
const MAX_TEXT = 200;

/** Pauses and buzzes, milliseconds. */
const BUZZ = { success: [200], failure: [200, 100, 200] } as const;

/** Two tones each, hertz; 0.15 s each, quiet. */
const TONES = { success: [660, 880], failure: [440, 330] } as const;
const TONE_S = 0.15;
const VOLUME = 0.15;

/** Tells the user. */
export class Notices {
  private readonly storage: Kept = kept("local");
  private audio: AudioContext | undefined;

  /** What is chosen, and for the desktop still allowed. Another tab's choice is this one's too. */
  get preferences(): NoticePreferences {
    const chosen = read(this.storage.get(PREFERENCES_KEY));
    return { ...chosen, desktop: chosen.desktop && permission() === "granted" };
  }

  async change(change: Partial<NoticePreferences>): Promise<NoticePreferences> {
    const wanted = { ...this.preferences };
    for (const name of ["desktop", "sound", "vibration"] as const) {
      const value = change[name];
      if (typeof value === "boolean") wanted[name] = value;
    }
    // Within the click, before anything is waited for.
    if (wanted.sound) this.wakeAudio();
    if (change.desktop) wanted.desktop = await mayNotify();
    this.storage.set(PREFERENCES_KEY, JSON.stringify(wanted));
    return this.preferences;
  }

  /** Tells of an event, if it is the end of a task. */
  tell(frame: FlatFrame): void {
    const end = endOf(frame);
    if (!end) return;
    const { desktop, sound, vibration } = this.preferences;
    if (!(desktop || sound || vibration) || !this.isNew(frame)) return;
    if (desktop && !inView()) notify(end, tagOf(frame));
    if (sound) this.play(TONES[end.outcome]);
    if (vibration) navigator.vibrate?.([...BUZZ[end.outcome]]);
  }

  private isNew(frame: FlatFrame): boolean {
    const name = `${tagOf(frame)} ${String(frame.timestamp)}`;
    const told = list(this.storage.get(TOLD_KEY));
    if (told.includes(name)) return false;
    this.storage.set(TOLD_KEY, JSON.stringify([...told, name].slice(-MAX_TOLD)));
    return true;
  }

  private wakeAudio(): void {
    try {
      this.audio ??= new AudioContext();
      if (this.audio.state === "suspended") this.audio.resume().catch(() => {});
    } catch {
      // No sound here.
    }
  }

  private play(tones: readonly number[]): void {
    this.wakeAudio();
    const { audio } = this;
    // A page that was not touched since it was loaded may not sound; the tone must not come with the first click.
    if (audio?.state !== "running") return;
    const volume = audio.createGain();
    volume.gain.value = VOLUME;
    volume.connect(audio.destination);
    tones.forEach((hertz, at) => {
      const tone = audio.createOscillator();
      tone.frequency.value = hertz;
      tone.connect(volume);
      tone.start(audio.currentTime + at * TONE_S);
      tone.stop(audio.currentTime + (at + 1) * TONE_S);
      if (at === tones.length - 1) tone.onended = () => volume.disconnect();
    });
  }
}

interface End {
  readonly outcome: "success" | "failure";
  readonly title: string;
  readonly body: string;
}

/** What to say of the end of a task, `<task>_completed` or `<task>_failed`; undefined of anything else. */
function endOf({ type, message, error }: FlatFrame): End | undefined {
  const [, task, how] = /^(.+)_(completed|failed)$/.exec(type) ?? [];
  if (task === undefined) return undefined;
  const spaced = task.replace(/_/g, " ");
  const name = spaced.charAt(0).toUpperCase() + spaced.slice(1);
  const body = [message, how === "failed" ? error : undefined].filter(
    (part) => typeof part === "string" && part,
  );
  const text = [...new Set(body)].join(": ");
  return {
    outcome: how === "failed" ? "failure" : "success",
    title: `${name} ${how}`,
    body: text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text,
  };
}

/** One notification for each task, however many tabs tell of it. */
function tagOf({ type, transaction_id }: FlatFrame): string {
  return `${type} ${String(transaction_id)}`;
}

function notify({ title, body }: End, tag: string): void {
  try {
    const shown = new Notification(title, { body, tag });
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
  } catch {
    // Android's Chromium has them for service workers only.
  }
}

function inView(): boolean {
  return document.visibilityState === "visible" && document.hasFocus();
}

function permission(): NotificationPermission {
  return typeof Notification === "undefined" ? "denied" : Notification.permission;
}

/** Whether notifications may be shown. Asks only within the user's act: a page that asks by itself is refused, rightly. */
async function mayNotify(): Promise<boolean> {
  if (permission() !== "default") return permission() === "granted";
  const acting = (navigator as { userActivation?: { isActive: boolean } }).userActivation?.isActive ?? true;
  if (!acting) return false;
  try {
    return (await Notification.requestPermission()) === "granted";
  } catch {
    return false;
  }
}

function read(text: string | null): NoticePreferences {
  const value = parsed(text);
  if (typeof value !== "object" || value === null) return NONE;
  const { desktop, sound, vibration } = value as Record<string, unknown>;
  return { desktop: desktop === true, sound: sound === true, vibration: vibration === true };
}

function list(text: string | null): string[] {
  const value = parsed(text);
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === "string") : [];
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
