// Applies the chosen theme before the first paint. Loaded as a plain script from the head: the page allows no scripts
// inside itself, and a module would run after the first paint. The choice is written by theme.ts.
(() => {
  try {
    const choice = localStorage.getItem("paychain.theme");
    if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
  } catch {
    // No storage here: the system decides.
  }
})();
