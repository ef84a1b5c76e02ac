// The look of the bell and its panel: a box beside the bell, on a phone a sheet from below.

/** The bell's own rules, after the base. */
export const BELL = `
:host { position: relative; }
.bell { position: relative; inline-size: var(--control); padding: 0; color: inherit; }
.bell .icon { inline-size: 20px; block-size: 20px; }
.badge {
  position: absolute; inset-block-start: -3px; inset-inline-start: calc(50% + 1px); min-inline-size: 18px; padding: 0 5px;
  border-radius: 9px; border: 1px solid var(--f-surface); background: var(--f-bad); color: var(--f-surface);
  font-size: 11px; font-weight: 700; line-height: 16px; text-align: center; font-variant-numeric: tabular-nums;
}
.panel {
  position: fixed; inset: auto; inset-block-start: var(--panel-top, 48px); left: var(--panel-left, auto); margin: 0; padding: 0;
  inline-size: min(420px, calc(100vw - 16px)); max-block-size: min(640px, var(--panel-room, 80vh)); min-block-size: min(380px, var(--panel-room, 80vh)); overflow: hidden; z-index: 1000;
  display: none; flex-direction: column; border: 1px solid var(--f-line); border-radius: 10px;
  background: var(--f-surface); color: var(--f-text); box-shadow: var(--f-lift);
}
.panel.open { display: flex; animation: appear var(--slow) var(--ease); }
.panel:focus { outline: none; }
@keyframes appear { from { opacity: 0; transform: translateY(-4px); } }
.head { display: flex; align-items: center; gap: 2px; min-block-size: 48px; padding-block: 6px; padding-inline: 16px 8px; border-block-end: 1px solid var(--f-line); }
.head h2 { flex: 1; font-size: 16px; font-weight: 650; line-height: 1.3; }
.back + h2 { margin-inline-start: 2px; }
.head:has(.back:not([hidden])) { padding-inline-start: 8px; }
.filters { display: flex; gap: 6px; padding: 8px 16px; overflow-x: auto; border-block-end: 1px solid var(--f-line); scrollbar-width: thin; flex: none; }
.chip { flex: none; min-block-size: 28px; padding: 0 10px; border: 1px solid var(--f-line); border-radius: 14px; color: var(--f-muted); font-size: 13px; max-inline-size: 180px; }
.chip span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.chip[aria-pressed="true"] { border-color: var(--f-accent); color: var(--f-accent); background: var(--f-surface); font-weight: 600; }
.count:empty { display: none; }
.chip .count { color: inherit; font-variant-numeric: tabular-nums; font-size: 12px; }
.divider { flex: none; inline-size: 1px; margin-block: 4px; background: var(--f-line); }
.notice { display: flex; align-items: center; gap: 8px; padding-block: 8px; padding-inline: 16px 8px; border-block-end: 1px solid var(--f-line); background: var(--f-raised); font-size: 13px; }
.notice .icon { color: var(--f-warn); }
.notice p { flex: 1; }
.body { position: relative; display: flex; flex: 1; flex-direction: column; min-block-size: 0; }
.scroll { flex: 1; overflow-y: auto; overscroll-behavior: contain; }
.scroll:focus-visible { outline-offset: -3px; }
.pill {
  position: absolute; inset-block-start: 8px; inset-inline: 0; inline-size: max-content; margin-inline: auto; z-index: 2; min-block-size: 30px; padding: 0 12px;
  border-radius: 15px; background: var(--f-accent); color: var(--f-on-accent); font-size: 13px; font-weight: 600; box-shadow: var(--f-lift);
}
.pill:hover { background: var(--f-accent); filter: brightness(1.06); }
.pill .icon { inline-size: 14px; block-size: 14px; stroke-width: 2.2; }
.day h3 { position: sticky; inset-block-start: 0; z-index: 1; padding: 8px 16px 4px; background: var(--f-surface); color: var(--f-muted); font-size: 12px; font-weight: 600; }
.row { position: relative; display: flex; align-items: flex-start; content-visibility: auto; contain-intrinsic-size: auto 66px; }
.row:hover, .row:focus-within, .row.menu-open { background: var(--f-raised); }
.row.arriving { animation: arrive var(--slow) var(--ease); }
@keyframes arrive { from { opacity: 0; transform: translateY(-8px); } }
.open-row { display: block; flex: 1; min-block-size: 62px; min-inline-size: 0; padding-block: 9px 10px; padding-inline: 30px 16px; border-radius: 0; text-align: start; }
.open-row:hover { background: none; }
.row.unread::before {
  content: ""; position: absolute; inset-block-start: 16px; inset-inline-start: 13px; inline-size: 8px; block-size: 8px;
  border-radius: 50%; background: var(--f-accent);
}
.line { display: flex; gap: 8px; align-items: baseline; }
.title { flex: 1; min-inline-size: 0; overflow: hidden; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow-wrap: anywhere; text-align: start; }
.unread .title { font-weight: 620; }
.when { flex: none; color: var(--f-muted); font-size: 12px; font-variant-numeric: tabular-nums; }
.message { display: -webkit-box; margin-block-start: 1px; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; overflow-wrap: anywhere; color: var(--f-muted); font-size: 13px; text-align: start; }
.meta { display: flex; gap: 8px; align-items: center; color: var(--f-muted); font-size: 12px; }
.meta .category { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.priority { color: var(--f-bad); font-weight: 600; flex: none; }
.priority.high { color: var(--f-warn); }
.acts { position: absolute; inset-block-end: 4px; inset-inline-end: 8px; display: flex; border: 1px solid var(--f-line); border-radius: 6px; background: var(--f-surface); opacity: 0; pointer-events: none; }
.acts button { min-block-size: 32px; min-inline-size: 32px; }
.row:hover .acts, .row:focus-within .acts, .row.menu-open .acts { opacity: 1; pointer-events: auto; }
@media (pointer: coarse) {
  .acts { position: static; align-self: center; margin-inline-end: 6px; border: 0; background: none; opacity: 1; pointer-events: auto; }
  .open-row { padding-inline-end: 4px; }
  .acts .quick { display: none; }
  .acts button { min-block-size: 40px; min-inline-size: 40px; }
}
.menu { position: absolute; z-index: 3; inset-inline-end: 8px; min-inline-size: 190px; padding: 4px; border: 1px solid var(--f-line-strong); border-radius: 8px; background: var(--f-surface); box-shadow: var(--f-lift); }
.menu button { inline-size: 100%; justify-content: flex-start; gap: 10px; }
.menu button:focus { background: var(--f-raised); }
.state { display: flex; flex-direction: column; align-items: center; gap: 6px; padding: 56px 24px; text-align: center; }
.state p { color: var(--f-muted); max-inline-size: 300px; overflow-wrap: anywhere; }
.state .what { color: var(--f-text); font-weight: 600; }
.state > .icon { inline-size: 32px; block-size: 32px; color: var(--f-line-strong); margin-block-end: 4px; }
.state button { margin-block-start: 8px; }
.foot { padding: 12px 16px; text-align: center; color: var(--f-muted); font-size: 13px; }
.skeleton { padding-block: 12px; padding-inline: 30px 16px; }
.skeleton i { display: block; block-size: 10px; margin-block: 6px; border-radius: 5px; background: var(--f-raised); animation: breathe 1.2s ease-in-out infinite alternate; }
.skeleton i:nth-child(2) { inline-size: 60%; }
@keyframes breathe { to { opacity: 0.5; } }
.undo { display: flex; align-items: center; gap: 8px; margin: 8px; padding-block: 4px; padding-inline: 14px 6px; border: 1px solid var(--f-line-strong); border-radius: 8px; background: var(--f-raised); font-size: 13px; flex: none; }
.undo p { flex: 1; overflow: hidden; text-overflow: ellipsis; }
.undo .icon-warn { color: var(--f-bad); }
.settings { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 16px; }
.backdrop { position: fixed; inset: 0; z-index: 999; display: none; background: rgb(0 0 0 / 40%); }
@media (max-width: 480px) {
  .panel {
    inset: auto 0 0 0; inline-size: 100%; max-inline-size: none; block-size: min(86vh, 720px); block-size: min(86dvh, 720px); max-block-size: none;
    border-radius: 14px 14px 0 0; border-inline: 0; border-block-end: 0; padding-block-end: env(safe-area-inset-bottom);
  }
  .panel.open { animation-name: rise; }
  .panel.open + .backdrop, .backdrop.open { display: block; }
  .chip { min-block-size: 36px; border-radius: 18px; padding: 0 14px; }
  .open-row { padding-block: 11px 12px; }
  .row.unread::before { inset-block-start: 18px; }
}
@keyframes rise { from { transform: translateY(24px); opacity: 0; } }
@media (forced-colors: active) {
  .badge, .row.unread::before { forced-color-adjust: none; background: Highlight; color: HighlightText; }
  .chip[aria-pressed="true"] { border-color: Highlight; }
}
`;
