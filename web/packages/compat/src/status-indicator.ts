// The line `#ws-connection-status` of a page: its three texts, their colours, and what stands behind them in its tooltip. A page
// without the element has none. Knows nothing of a connection.

/** What the page says of the connection. */
export type Status = "live" | "offline" | "error";

const TEXTS: Readonly<Record<Status, string>> = {
  live: "● Live",
  offline: "○ Offline",
  error: "⚠ Error",
};

/** The design's tokens; beside them, for pages without, their values for light and for dark. */
const COLOURS: Readonly<Record<Status, readonly [token: string, light: string, dark: string]>> = {
  live: ["--ok", "#1a7f4b", "#4ac389"],
  offline: ["--muted", "#5c625f", "#a0a8a4"],
  error: ["--bad", "#b42318", "#f0736a"],
};

/** Puts the state into the page's element; `detail` is one sentence for who wants to know more. */
export function showStatus(status: Status, detail: string): void {
  const element = document.getElementById("ws-connection-status");
  if (!element) return;
  // Read out when it changes, unless the page has decided about that.
  if (!element.hasAttribute("role") && !element.hasAttribute("aria-live"))
    element.setAttribute("role", "status");
  // The same text again would be read out again.
  if (element.textContent !== TEXTS[status]) element.textContent = TEXTS[status];
  element.dataset.state = status;
  element.title = detail;
  // By the object model, which a content security policy allows, and not by an attribute, which it may not.
  element.style.color = colour(status);
}

function colour(status: Status): string {
  const [token, light, dark] = COLOURS[status];
  // By the page's own scheme, not the system's: a page that is always light has its light colours.
  const both = `light-dark(${light}, ${dark})`;
  const known = globalThis.CSS?.supports?.("color", both) ?? false;
  return `var(${token}, ${known ? both : light})`;
}
