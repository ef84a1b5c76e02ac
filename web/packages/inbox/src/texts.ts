// The words of an inbox, in English and German: what a view says about it, and what went wrong. No markup, no numbers' format but that
// of the locale.

import type { Action, Day, Failure, FailureCode } from "./types.js";

/** The words of one language. */
export interface Texts {
  /** BCP 47, of the language and what else the asked-for locale said. */
  readonly locale: string;
  readonly title: string;
  /** The bell's label, with the count. */
  unread(count: number | null): string;
  readonly all: string;
  readonly unreadOnly: string;
  readonly categories: string;
  readonly markRead: string;
  readonly markUnread: string;
  readonly markAllRead: string;
  readonly remove: string;
  readonly undo: string;
  readonly removed: string;
  readonly restored: string;
  actionsFor(title: string): string;
  readonly more: string;
  readonly loading: string;
  readonly end: string;
  readonly close: string;
  readonly dismiss: string;
  readonly back: string;
  readonly settings: string;
  readonly tryAgain: string;
  readonly tryNow: string;
  retryIn(seconds: number): string;
  readonly empty: string;
  readonly emptyHint: string;
  readonly emptyUnread: string;
  readonly emptyCategory: string;
  readonly showAll: string;
  readonly isUnread: string;
  readonly earlier: string;
  readonly urgent: string;
  readonly high: string;
  /** So many came while the list is scrolled. */
  newer(count: number): string;
  /** What a screen reader says when one comes. */
  arrived(title: string): string;
  readonly stale: string;
  readonly desktop: string;
  readonly desktopOn: string;
  readonly desktopOff: string;
  readonly desktopDenied: string;
  readonly preferences: string;
  readonly otherCategories: string;
  readonly category: string;
  readonly inApp: string;
  readonly push: string;
  readonly sound: string;
  readonly quietHours: string;
  readonly quietHint: string;
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
  readonly days: string;
  day(day: Day): string;
  readonly save: string;
  readonly saving: string;
  readonly saved: string;
  readonly badTime: string;
  readonly badZone: string;
  readonly sameTimes: string;
  readonly noDays: string;
  /** What happened, what it means, and what to do. */
  failure(failure: Failure): string;
}

/** The Monday that days of the week are named by: 5 January 2026. */
const MONDAY = Date.UTC(2026, 0, 5, 12);

const DAYS: readonly Day[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** The words for a locale, `de-AT`; English for a language that has none. Default: the browser's. */
export function textsFor(locale?: string): Texts {
  const wanted = known(locale) ?? known(globalThis.navigator?.language) ?? "en";
  return wanted.toLowerCase().startsWith("de")
    ? german(wanted)
    : english(/^en\b/i.test(wanted) ? wanted : "en");
}

/** A locale that the platform knows; null for what is none. */
function known(locale: string | undefined): string | null {
  try {
    return Intl.getCanonicalLocales(locale)[0] ?? null;
  } catch {
    return null;
  }
}

function dayName(locale: string): (day: Day) => string {
  const format = new Intl.DateTimeFormat(locale, { weekday: "short", timeZone: "UTC" });
  return (day) => format.format(MONDAY + DAYS.indexOf(day) * 86_400_000);
}

function english(locale: string): Texts {
  const number = new Intl.NumberFormat(locale);
  return {
    locale,
    title: "Notifications",
    unread: (count) => (count ? `Notifications, ${number.format(count)} unread` : "Notifications"),
    all: "All",
    unreadOnly: "Unread",
    categories: "Category",
    markRead: "Mark as read",
    markUnread: "Mark as unread",
    markAllRead: "Mark all read",
    remove: "Delete",
    undo: "Undo",
    removed: "Notification deleted.",
    restored: "Notification restored.",
    actionsFor: (title) => `Actions for ${title}`,
    more: "Load more",
    loading: "Loading",
    end: "That is all.",
    close: "Close",
    dismiss: "Dismiss",
    back: "Back",
    settings: "Notification settings",
    tryAgain: "Try again",
    tryNow: "Try now",
    retryIn: (seconds) => `Trying again in ${seconds} s.`,
    empty: "No notifications yet",
    emptyHint: "What happens in your account appears here as it happens.",
    emptyUnread: "Nothing unread",
    emptyCategory: "No notifications in this category",
    showAll: "Show all",
    isUnread: "Unread",
    earlier: "Earlier",
    urgent: "Urgent",
    high: "Important",
    newer: (count) => `${number.format(count)} new`,
    arrived: (title) => `New notification: ${title}`,
    stale: "This list may be out of date.",
    desktop: "Desktop notifications in this browser",
    desktopOn: "Shown while this page is in the background.",
    desktopOff: "Off.",
    desktopDenied: "The browser blocks them for this site. Allow them in its site settings.",
    preferences: "What reaches you",
    otherCategories: "Everything else",
    category: "Category",
    inApp: "In the app",
    push: "Push",
    sound: "Sound",
    quietHours: "Quiet hours",
    quietHint: "No sound, and push waits: afterwards it comes as one summary.",
    from: "From",
    to: "To",
    timeZone: "Time zone",
    days: "On",
    day: dayName(locale),
    save: "Save quiet hours",
    saving: "Saving",
    saved: "Saved.",
    badTime: "Enter a time such as 22:00.",
    badZone: "Enter a time zone such as Europe/Berlin.",
    sameTimes: "Choose an end that differs from the start.",
    noDays: "Choose at least one day.",
    failure: ({ action, code }) => `${EN_ACTIONS[action]} ${EN_CAUSES[code]}`,
  };
}

const EN_ACTIONS: Record<Action, string> = {
  load: "Notifications could not be loaded.",
  load_more: "Older notifications could not be loaded.",
  read: "It was not marked as read.",
  unread: "It was not marked as unread.",
  read_all: "They were not marked as read.",
  remove: "It was not deleted.",
  restore: "It was not brought back.",
  categories: "Categories could not be loaded.",
  load_preferences: "Your settings could not be loaded.",
  save_preferences: "Your settings were not saved.",
};

const EN_CAUSES: Record<FailureCode, string> = {
  unreachable: "The server can't be reached. Check your connection and try again.",
  timeout: "The server did not answer in time. Try again.",
  unauthorized: "You are signed out. Sign in again.",
  forbidden: "Your account may not do this.",
  not_found: "The server does not have it any more.",
  invalid: "The server refused what was sent.",
  rate_limited: "That was too often. Try again in a moment.",
  unavailable: "The server has a problem. Try again in a moment.",
  bad_answer: "The server's answer could not be read. Try again in a moment.",
  too_many: "Too much waits to be sent. Try again in a moment.",
};

function german(locale: string): Texts {
  const number = new Intl.NumberFormat(locale);
  return {
    locale,
    title: "Mitteilungen",
    unread: (count) => (count ? `Mitteilungen, ${number.format(count)} ungelesen` : "Mitteilungen"),
    all: "Alle",
    unreadOnly: "Ungelesen",
    categories: "Kategorie",
    markRead: "Als gelesen markieren",
    markUnread: "Als ungelesen markieren",
    markAllRead: "Alle als gelesen markieren",
    remove: "Löschen",
    undo: "Rückgängig",
    removed: "Mitteilung gelöscht.",
    restored: "Mitteilung wiederhergestellt.",
    actionsFor: (title) => `Aktionen für ${title}`,
    more: "Mehr laden",
    loading: "Wird geladen",
    end: "Das sind alle.",
    close: "Schließen",
    dismiss: "Ausblenden",
    back: "Zurück",
    settings: "Einstellungen für Mitteilungen",
    tryAgain: "Erneut versuchen",
    tryNow: "Jetzt versuchen",
    retryIn: (seconds) => `Neuer Versuch in ${seconds} s.`,
    empty: "Noch keine Mitteilungen",
    emptyHint: "Was in deinem Konto geschieht, erscheint hier sofort.",
    emptyUnread: "Nichts ungelesen",
    emptyCategory: "Keine Mitteilungen in dieser Kategorie",
    showAll: "Alle anzeigen",
    isUnread: "Ungelesen",
    earlier: "Früher",
    urgent: "Dringend",
    high: "Wichtig",
    newer: (count) => `${number.format(count)} neu`,
    arrived: (title) => `Neue Mitteilung: ${title}`,
    stale: "Diese Liste ist vielleicht nicht aktuell.",
    desktop: "Desktop-Mitteilungen in diesem Browser",
    desktopOn: "Erscheinen, solange diese Seite im Hintergrund ist.",
    desktopOff: "Aus.",
    desktopDenied:
      "Der Browser blockiert sie für diese Website. Erlaube sie in seinen Website-Einstellungen.",
    preferences: "Was dich erreicht",
    otherCategories: "Alles andere",
    category: "Kategorie",
    inApp: "In der App",
    push: "Push",
    sound: "Ton",
    quietHours: "Ruhezeit",
    quietHint: "Kein Ton, und Push wartet: danach kommt alles als eine Zusammenfassung.",
    from: "Von",
    to: "Bis",
    timeZone: "Zeitzone",
    days: "An",
    day: dayName(locale),
    save: "Ruhezeit speichern",
    saving: "Wird gespeichert",
    saved: "Gespeichert.",
    badTime: "Gib eine Uhrzeit wie 22:00 ein.",
    badZone: "Gib eine Zeitzone wie Europe/Berlin ein.",
    sameTimes: "Wähle ein Ende, das nicht der Anfang ist.",
    noDays: "Wähle mindestens einen Tag.",
    failure: ({ action, code }) => `${DE_ACTIONS[action]} ${DE_CAUSES[code]}`,
  };
}

const DE_ACTIONS: Record<Action, string> = {
  load: "Die Mitteilungen konnten nicht geladen werden.",
  load_more: "Ältere Mitteilungen konnten nicht geladen werden.",
  read: "Sie wurde nicht als gelesen markiert.",
  unread: "Sie wurde nicht als ungelesen markiert.",
  read_all: "Sie wurden nicht als gelesen markiert.",
  remove: "Sie wurde nicht gelöscht.",
  restore: "Sie wurde nicht wiederhergestellt.",
  categories: "Die Kategorien konnten nicht geladen werden.",
  load_preferences: "Deine Einstellungen konnten nicht geladen werden.",
  save_preferences: "Deine Einstellungen wurden nicht gespeichert.",
};

const DE_CAUSES: Record<FailureCode, string> = {
  unreachable: "Der Server ist nicht erreichbar. Prüfe deine Verbindung und versuche es erneut.",
  timeout: "Der Server hat nicht rechtzeitig geantwortet. Versuche es erneut.",
  unauthorized: "Du bist abgemeldet. Melde dich wieder an.",
  forbidden: "Dein Konto darf das nicht.",
  not_found: "Auf dem Server gibt es sie nicht mehr.",
  invalid: "Der Server hat die Eingabe abgelehnt.",
  rate_limited: "Das war zu oft. Versuche es gleich noch einmal.",
  unavailable: "Der Server hat eine Störung. Versuche es gleich noch einmal.",
  bad_answer: "Die Antwort des Servers war nicht lesbar. Versuche es gleich noch einmal.",
  too_many: "Es wartet schon zu viel. Versuche es gleich noch einmal.",
};
