// Copies text and says so on the button that was pressed. Works without a secure context too (a page on a LAN address).

const SHOWN_MS = 1_600;

/** Copies `text`; the button reads "Copied" for a moment, or "Not copied". */
export async function copyFrom(button, text, announce) {
  const copied = await copy(text);
  const label = button.querySelector("[data-label]") ?? button;
  button.dataset.was ??= label.textContent;
  label.textContent = copied ? "Copied" : "Not copied";
  announce(copied ? "Copied" : "The browser did not allow copying");
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => { label.textContent = button.dataset.was; }, SHOWN_MS);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  const focused = document.activeElement;
  area.value = text;
  area.className = "offscreen";
  document.body.append(area);
  area.select();
  let copied = false;
  try {
    copied = document.execCommand("copy");
  } catch {
    // Stays false.
  }
  area.remove();
  focused?.focus();
  return copied;
}
