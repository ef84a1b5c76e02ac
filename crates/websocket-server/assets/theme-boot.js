// Applies the chosen theme before the first paint. A classic script in <head>, because modules run only after the page
// was drawn once in the wrong colours. Choosing a theme is in theme.js.
try {
  const chosen = localStorage.getItem("fanfare.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is blocked: the system's preference stands.
}
