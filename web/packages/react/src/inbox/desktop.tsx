// Whether this browser shows notifications on the desktop: a choice of this browser alone, and its permission. What shows them is
// @fanfare/inbox's part.

import { createAlerts, type Desktop } from "@fanfare/inbox";
import { type ReactNode, useEffect, useId, useMemo, useState } from "react";
import { useInboxStore } from "./provider.js";
import type { Words } from "./words.js";

/** The choice; nothing where the browser has no such notifications. */
export function DesktopChoice({ words }: { words: Words }): ReactNode {
  const inbox = useInboxStore();
  const alerts = useMemo(() => createAlerts(inbox), [inbox]);
  const [state, setState] = useState<Desktop>("unsupported");
  const hint = useId();
  useEffect(() => setState(alerts.desktop()), [alerts]);
  if (state === "unsupported") return null;
  return (
    <div className="fanfare-preferences-part">
      <div>
        <label className="fanfare-preferences-check fanfare-preferences-title">
          <input
            type="checkbox"
            aria-describedby={hint}
            checked={state === "on"}
            disabled={state === "denied"}
            onChange={(event) => void alerts.setDesktop(event.target.checked).then(setState)}
          />
          {words.desktop}
        </label>
        <p id={hint} className="fanfare-preferences-hint" aria-live="polite">
          {state === "denied" ? words.desktopDenied : words.desktopOn}
        </p>
      </div>
    </div>
  );
}
