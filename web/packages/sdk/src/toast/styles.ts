// The look of the toasts, and the ways to give it to a page under a strict content security policy. No elements here.

/** Colours and sizes are those of the design tokens; the values beside them are for pages without. */
const DARK = `
  --fanfare-surface: var(--surface, #181b1a); --fanfare-line: var(--line, #2c312f);
  --fanfare-text: var(--text, #eceeed); --fanfare-muted: var(--muted, #a0a8a4); --fanfare-raised: var(--raised, #202423);
  --fanfare-accent: var(--accent, #4cc2a3);
  --fanfare-success: var(--ok, #4ac389); --fanfare-warning: var(--warn, #d9a13b);
  --fanfare-error: var(--bad, #f0736a); --fanfare-info: var(--info, #7aa7f0);
  --fanfare-lift: var(--lift, 0 1px 2px rgb(0 0 0 / 40%), 0 6px 20px rgb(0 0 0 / 40%));`;

const CSS = `
.fanfare-toasts {
  --fanfare-surface: var(--surface, #ffffff); --fanfare-line: var(--line, #e3e3df);
  --fanfare-text: var(--text, #1b1d1c); --fanfare-muted: var(--muted, #5c625f); --fanfare-raised: var(--raised, #f4f4f2);
  --fanfare-accent: var(--accent, #0f6b57);
  --fanfare-success: var(--ok, #1a7f4b); --fanfare-warning: var(--warn, #8f5f00);
  --fanfare-error: var(--bad, #b42318); --fanfare-info: var(--info, #1f5fbf);
  --fanfare-lift: var(--lift, 0 1px 2px rgb(27 29 28 / 6%), 0 6px 20px rgb(27 29 28 / 10%));
  position: fixed; z-index: 10000; top: 16px; right: 16px; width: 360px; max-width: calc(100vw - 32px);
  font: 14px/20px var(--font, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif);
  pointer-events: none;
}
@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) .fanfare-toasts {${DARK} } }
:root[data-theme="dark"] .fanfare-toasts {${DARK} }
.fanfare-toasts ol { list-style: none; margin: 0; padding: 0; }
.fanfare-toasts .fanfare-toast { display: grid; grid-template-rows: 1fr; padding: 0 0 8px; }
.fanfare-toast-card {
  box-sizing: border-box; min-height: 0; overflow: hidden; display: grid; grid-template-columns: 20px 1fr 32px; column-gap: 12px;
  padding: 8px 8px 8px 16px; border: 1px solid var(--fanfare-line); border-radius: var(--radius, 6px);
  background: var(--fanfare-surface); color: var(--fanfare-text); box-shadow: var(--fanfare-lift); pointer-events: auto;
}
.fanfare-toast-icon {
  margin-top: 6px; width: 20px; height: 20px; border-radius: 50%; text-align: center; font-size: 12px; font-weight: 700;
  background: var(--fanfare-kind); color: var(--fanfare-surface);
}
.fanfare-toast-icon[data-own] { background: none; color: inherit; font-size: 18px; font-weight: 400; }
.fanfare-toast[data-kind="success"] { --fanfare-kind: var(--fanfare-success); }
.fanfare-toast[data-kind="error"] { --fanfare-kind: var(--fanfare-error); }
.fanfare-toast[data-kind="warning"] { --fanfare-kind: var(--fanfare-warning); }
.fanfare-toast[data-kind="info"] { --fanfare-kind: var(--fanfare-info); }
.fanfare-toast-text { min-width: 0; padding: 6px 0; }
.fanfare-toast-text p { margin: 0; overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; overflow: hidden; }
.fanfare-toast-text .fanfare-toast-title { font-weight: 600; -webkit-line-clamp: 2; }
.fanfare-toast-text .fanfare-toast-message { color: var(--fanfare-muted); -webkit-line-clamp: 4; }
.fanfare-toast-more {
  display: inline-block; margin-top: 4px; padding: 0 8px; border-radius: 10px; background: var(--fanfare-raised);
  color: var(--fanfare-muted); font-size: 12px; font-variant-numeric: tabular-nums;
}
.fanfare-toast-text .fanfare-toast-more[hidden], .fanfare-toasts-rest[hidden] { display: none; }
.fanfare-toast-close {
  all: unset; box-sizing: border-box; width: 32px; height: 32px; border-radius: var(--radius, 6px); text-align: center;
  font-size: 18px; line-height: 32px; color: var(--fanfare-muted); cursor: pointer;
}
.fanfare-toast-close:hover { background: var(--fanfare-raised); color: var(--fanfare-text); }
.fanfare-toast-close:focus-visible { outline: 2px solid var(--fanfare-accent); outline-offset: -2px; }
.fanfare-toasts-rest {
  margin: 0 0 0 auto; width: fit-content; padding: 2px 12px; border: 1px solid var(--fanfare-line); border-radius: 12px;
  background: var(--fanfare-surface); color: var(--fanfare-muted); font-size: 12px; font-variant-numeric: tabular-nums;
}
.fanfare-toasts-spoken {
  position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
.fanfare-toasts-kind { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (pointer: coarse) {
  .fanfare-toast-card { grid-template-columns: 20px 1fr 40px; }
  .fanfare-toast-close { width: 40px; height: 40px; line-height: 40px; }
}
@media (max-width: 480px) { .fanfare-toasts { top: 8px; right: 8px; width: calc(100vw - 16px); max-width: none; } }
@media (forced-colors: active) { .fanfare-toast-icon { border: 1px solid; } }
@media (prefers-reduced-motion: no-preference) {
  .fanfare-toast { animation: fanfare-toast-in 180ms cubic-bezier(0.2, 0, 0, 1); transition: grid-template-rows 160ms, padding 160ms, opacity 120ms; }
  .fanfare-toasts .fanfare-toast[data-leaving] { grid-template-rows: 0fr; padding: 0; opacity: 0; }
  .fanfare-toast[data-leaving] .fanfare-toast-card { padding-block: 0; border-width: 0 1px; pointer-events: none; }
}
@keyframes fanfare-toast-in { from { opacity: 0; transform: translateY(-8px); } }
`;

/** One sheet for all toasters of a document. */
const sheets = new WeakMap<Document, { users: number; remove(): void }>();

/**
 * Gives the document the styles, once however many ask; returns the removal. A constructed style sheet needs no permission
 * of a content security policy. Where there is none, a `<style>` element with the nonce is made.
 */
export function addStyles(page: Document, nonce: string | undefined): () => void {
  const sheet = sheets.get(page) ?? { users: 0, remove: construct(page) ?? element(page, nonce) };
  sheet.users += 1;
  sheets.set(page, sheet);
  let done = false;
  return () => {
    if (done) return;
    done = true;
    sheet.users -= 1;
    if (sheet.users > 0) return;
    sheets.delete(page);
    sheet.remove();
  };
}

function construct(page: Document): (() => void) | undefined {
  try {
    // A sheet belongs to the document of the window that made it.
    const Sheet = page.defaultView?.CSSStyleSheet ?? CSSStyleSheet;
    const sheet = new Sheet();
    sheet.replaceSync(CSS);
    page.adoptedStyleSheets = [...page.adoptedStyleSheets, sheet];
    return () => {
      page.adoptedStyleSheets = page.adoptedStyleSheets.filter((other) => other !== sheet);
    };
  } catch {
    return undefined;
  }
}

function element(page: Document, nonce: string | undefined): () => void {
  const style = page.createElement("style");
  if (nonce !== undefined) style.nonce = nonce;
  style.textContent = CSS;
  page.head.append(style);
  return () => style.remove();
}
