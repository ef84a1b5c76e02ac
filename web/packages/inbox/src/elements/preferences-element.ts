// <fanfare-notification-preferences>: the preferences on a page of their own. The same as behind the bell's settings.

import { createAlerts } from "../alerts.js";
import type { Inbox } from "../types.js";
import { InboxElement } from "./base.js";
import { PreferencesView } from "./preferences-view.js";
import { PREFERENCES } from "./sheet-preferences.js";

/** On a page that has no tokens it has a ground of its own, so that its colours go together. */
const OWN = `
:host { display: block; }
.root { color: var(--f-text); }
.root:not(.inherits), .root.light, .root.dark { padding: 16px; border-radius: 6px; background: var(--f-surface); }
`;

/** The preferences. Attributes: `base-url`, `token`, `locale`, `theme`. */
export class FanfareNotificationPreferences extends InboxElement {
  protected readonly needsList = false;

  constructor() {
    super(PREFERENCES + OWN);
  }

  protected show(inbox: Inbox): () => void {
    const { texts } = this;
    // For its choice alone: who shows them is the bell.
    const view = new PreferencesView({ inbox, texts, alerts: createAlerts(inbox) });
    this.root.append(view.element);
    view.open();
    return () => view.close();
  }
}
