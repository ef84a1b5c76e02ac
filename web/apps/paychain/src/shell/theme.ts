// Light or dark: by the system, or by choice. The choice is applied before the first paint by theme-boot.js.

/** What can be chosen. */
export type Theme = "system" | "light" | "dark";

/** The choices with their words. */
export const THEMES = [
  { value: "system", label: "System" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
] as const;

const KEY = "paychain.theme";

/** What was chosen. */
export function chosenTheme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

/** Applies a choice to this page, and keeps it for the next. */
export function chooseTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // No storage here: the choice lasts as long as the page.
  }
}
