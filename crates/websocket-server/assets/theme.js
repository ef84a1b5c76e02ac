// The theme switch: system, light or dark, kept for the next visit. theme-boot.js applies it before the first paint.

const KEY = "fanfare.theme";

function chosen() {
  return document.documentElement.dataset.theme ?? "system";
}

function choose(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage is blocked: the choice holds for this visit.
  }
}

/** Wires a group of radio inputs named `theme` to the page's theme. */
export function mountTheme(group) {
  for (const radio of group.querySelectorAll("input[name=theme]")) {
    radio.checked = radio.value === chosen();
    radio.addEventListener("change", () => choose(radio.value));
  }
}
