// Defines <fanfare-bell> and <fanfare-notification-preferences>, once however often it is loaded; on a server it does nothing.

import { FanfareBell } from "./bell.js";
import { FanfareNotificationPreferences } from "./preferences-element.js";

const ELEMENTS = {
  "fanfare-bell": FanfareBell,
  "fanfare-notification-preferences": FanfareNotificationPreferences,
} as const;

const registry = globalThis.customElements as CustomElementRegistry | undefined;
for (const [name, element] of Object.entries(ELEMENTS)) {
  if (registry && !registry.get(name)) registry.define(name, element);
}

declare global {
  interface HTMLElementTagNameMap {
    "fanfare-bell": FanfareBell;
    "fanfare-notification-preferences": FanfareNotificationPreferences;
  }
}

export { FanfareBell, FanfareNotificationPreferences };
