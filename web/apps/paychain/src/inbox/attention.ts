// What this window's toasts need to know of the bell: whether its panel is open, where what comes in is seen already, and what the user
// does not want to hear of in the app. Noted by bell.tsx; without it toasts tell everything.

import type { Preferences } from "@fanfare/inbox";

let isOpen = false;
let chosen: Preferences | null = null;

/** Notes that the panel was opened or closed. */
export function notePanel(nowOpen: boolean): void {
  isOpen = nowOpen;
}

/** Notes what the user chose; null: not known. */
export function noteChoices(preferences: Preferences | null): void {
  chosen = preferences;
}

/** Whether the panel is open. */
export function isPanelOpen(): boolean {
  return isOpen;
}

/** Whether the user wants to hear of a category in the app. */
export function isWanted(category: string): boolean {
  return (chosen?.categories[category] ?? chosen?.default)?.in_app !== false;
}
