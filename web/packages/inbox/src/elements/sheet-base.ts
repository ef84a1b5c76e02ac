// The colours and sizes that both elements share. A page with Fanfare's tokens gives its own (`.inherits`); elsewhere they are these,
// light and dark by the system, or by the attribute `theme`. Values: web/packages/tokens/tokens.css.

const LIGHT = `
  color-scheme: light;
  --f-surface: #ffffff; --f-raised: #f4f4f2; --f-line: #e3e3df; --f-line-strong: #c9cac4;
  --f-text: #1b1d1c; --f-muted: #5c625f; --f-accent: #0f6b57; --f-on-accent: #ffffff;
  --f-ok: #1a7f4b; --f-warn: #8f5f00; --f-bad: #b42318;
  --f-lift: 0 1px 2px rgb(27 29 28 / 6%), 0 6px 20px rgb(27 29 28 / 10%);`;

const DARK = `
  color-scheme: dark;
  --f-surface: #181b1a; --f-raised: #202423; --f-line: #2c312f; --f-line-strong: #464d4a;
  --f-text: #eceeed; --f-muted: #a0a8a4; --f-accent: #4cc2a3; --f-on-accent: #07201a;
  --f-ok: #4ac389; --f-warn: #d9a13b; --f-bad: #f0736a;
  --f-lift: 0 1px 2px rgb(0 0 0 / 40%), 0 6px 20px rgb(0 0 0 / 40%);`;

/** What a page has to define for its tokens to be taken: all of them, since half of them would not be legible. */
export const TOKENS = [
  "surface",
  "raised",
  "line",
  "line-strong",
  "text",
  "muted",
  "accent",
  "on-accent",
  "ok",
  "warn",
  "bad",
  "lift",
] as const;

const INHERITED = TOKENS.map((name) => `--f-${name}: var(--${name});`).join(" ");

/** Colours, type, buttons. */
export const BASE = `
:host { display: inline-block; }
:host([hidden]) { display: none; }
.root {${LIGHT}
  --fast: 120ms; --slow: 180ms; --ease: cubic-bezier(0.2, 0, 0, 1); --control: 32px;
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  text-align: start; letter-spacing: normal; text-transform: none;
}
@media (prefers-color-scheme: dark) { .root:not(.light) {${DARK}
} }
.root.dark {${DARK}
}
.root.inherits:not(.light, .dark) { color-scheme: inherit; ${INHERITED} }
@media (pointer: coarse) { .root { --control: 40px; } }
@media (prefers-reduced-motion: reduce) {
  .root { --fast: 0ms; --slow: 0ms; }
  * { animation: none !important; transition: none !important; scroll-behavior: auto !important; }
}
*, ::before, ::after { box-sizing: border-box; }
h2, h3, p, ul, fieldset, legend { margin: 0; padding: 0; border: 0; min-inline-size: 0; }
ul { list-style: none; }
[hidden] { display: none !important; }
.offscreen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.icon { inline-size: 18px; block-size: 18px; flex: none; fill: none; stroke: currentcolor; stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round; }
.icon-more { stroke-width: 2.6; }
button, input { font: inherit; color: inherit; letter-spacing: inherit; }
button {
  display: inline-flex; align-items: center; justify-content: center; gap: 6px;
  min-block-size: var(--control); min-inline-size: var(--control); margin: 0; padding: 0 10px;
  border: 1px solid transparent; border-radius: 6px; background: none; cursor: pointer;
  transition: background-color var(--fast) var(--ease);
}
button:hover { background: var(--f-raised); }
button:focus-visible, input:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--f-accent); outline-offset: -2px; }
button[disabled] { color: var(--f-muted); cursor: default; background: none; opacity: 0.6; }
button.icon-only { padding: 0; color: var(--f-muted); }
button.icon-only:hover { color: var(--f-text); }
button.outlined { border-color: var(--f-line-strong); background: var(--f-surface); }
button.outlined:hover { background: var(--f-raised); }
button.main { background: var(--f-accent); color: var(--f-on-accent); font-weight: 600; }
button.main:hover { background: var(--f-accent); filter: brightness(1.06); }
button.text { padding: 0 8px; color: var(--f-accent); font-weight: 600; }
button[aria-busy="true"] { cursor: progress; opacity: 0.7; }
`;
