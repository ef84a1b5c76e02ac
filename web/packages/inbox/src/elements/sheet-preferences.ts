// The look of the preferences: a table of switches, and the form of the quiet hours.

/** The preferences' own rules, after the base. */
export const PREFERENCES = `
.preferences { display: flex; flex-direction: column; gap: 24px; max-inline-size: 560px; }
.preferences h3, .preferences legend { font-size: 14px; font-weight: 650; }
.preferences .hint { color: var(--f-muted); font-size: 13px; }
.ways { inline-size: 100%; margin-block-start: 6px; border-collapse: collapse; table-layout: fixed; }
.ways th, .ways td { padding: 0; border-block-end: 1px solid var(--f-line); text-align: center; font-weight: 400; }
.ways th:first-child { inline-size: 42%; padding-inline-end: 8px; text-align: start; overflow-wrap: anywhere; }
.ways thead th { padding-block: 6px; color: var(--f-muted); font-size: 12px; vertical-align: bottom; }
.ways label { display: flex; align-items: center; justify-content: center; min-block-size: 40px; cursor: pointer; }
.switch {
  appearance: none; position: relative; inline-size: 34px; block-size: 20px; margin: 0; border: 1px solid var(--f-muted); border-radius: 10px;
  background: var(--f-surface); cursor: pointer; transition: background-color var(--fast) var(--ease);
}
.switch::before {
  content: ""; position: absolute; inset-block: 2px; inset-inline-start: 2px; inline-size: 14px; border-radius: 50%; background: var(--f-muted);
  transition: inset-inline-start var(--fast) var(--ease);
}
.switch:checked { border-color: var(--f-accent); background: var(--f-accent); }
.switch:checked::before { inset-inline-start: 16px; background: var(--f-on-accent); }
.switch:focus-visible { outline-offset: 2px; }
.on { display: flex; align-items: center; gap: 10px; min-block-size: var(--control); cursor: pointer; }
.quiet { display: flex; flex-direction: column; gap: 12px; }
.fields { display: flex; flex-wrap: wrap; gap: 12px; }
.field { display: flex; flex-direction: column; gap: 4px; }
.field.wide { flex: 1 1 180px; }
.field label { font-size: 13px; font-weight: 600; }
.input { inline-size: 100%; min-block-size: var(--control); padding: 0 8px; border: 1px solid var(--f-line-strong); border-radius: 6px; background: var(--f-surface); }
.input[aria-invalid="true"] { border-color: var(--f-bad); }
.fault { color: var(--f-bad); font-size: 13px; }
.choices { display: flex; flex-wrap: wrap; gap: 6px; margin-block-start: 4px; }
.choice { position: relative; }
.choice input { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; margin: 0; opacity: 0; cursor: pointer; }
.choice span { display: flex; align-items: center; min-block-size: var(--control); padding: 0 10px; border: 1px solid var(--f-line-strong); border-radius: 6px; color: var(--f-muted); font-size: 13px; }
.choice input:checked + span { border-color: var(--f-accent); color: var(--f-accent); font-weight: 600; }
.choice input:checked + span::before { content: "✓"; margin-inline-end: 4px; }
.choice input:focus-visible + span { outline: 2px solid var(--f-accent); outline-offset: 1px; }
.save { display: flex; align-items: center; gap: 12px; flex-wrap: wrap; }
.result { font-size: 13px; color: var(--f-muted); }
.ways + .result { margin-block-start: 8px; }
.result.bad { color: var(--f-bad); }
@media (pointer: coarse) { .input { font-size: 16px; } }
@media (forced-colors: active) { .switch:checked { forced-color-adjust: none; background: Highlight; } }
`;
