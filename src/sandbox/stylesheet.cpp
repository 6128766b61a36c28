#include "sandbox/pages.h"

namespace latchkey::sandbox {

// The console's visual language (web/src/styles), with brass instead of pine for what acts: nobody shall mistake the
// practice service for the console.
std::string_view stylesheet() {
  return R"css(:root {
  color-scheme: light dark;
  --bg: light-dark(#faf7f0, #14120d);
  --surface: light-dark(#ffffff, #1e1b15);
  --surface-2: light-dark(#f8f4ea, #27231b);
  --line: light-dark(#e6dfcf, #39332a);
  --line-strong: light-dark(#8d8268, #85795f);
  --text: light-dark(#211c10, #f1ece0);
  --muted: light-dark(#625947, #b8ae99);
  --accent: light-dark(#7a4d00, #f0c768);
  --accent-hover: light-dark(#5e3b00, #f7d88e);
  --on-accent: light-dark(#ffffff, #2b1c00);
  --accent-soft: light-dark(#fdf0d3, #392d0f);
  --pine: light-dark(#0c6250, #5fd0b1);
  --danger: light-dark(#b3261e, #ff9d94);
  --ok-bg: light-dark(#e0f4e8, #14342a);
  --ok-fg: light-dark(#11603b, #83dfb0);
  --bad-bg: light-dark(#fde5e2, #41211f);
  --bad-fg: light-dark(#9a1f18, #ffb1a9);
  --off-bg: light-dark(#ece7da, #322d23);
  --off-fg: light-dark(#544c3b, #c4bba6);
  --shadow: 0 1px 2px light-dark(rgb(60 44 10 / 8%), rgb(0 0 0 / 45%)), 0 10px 28px light-dark(rgb(60 44 10 / 9%), rgb(0 0 0 / 45%));
  --font: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--bg); color: var(--text); font: 0.9375rem/1.55 var(--font); min-height: 100dvh; }
h1, h2, p, dl, dd, ul, fieldset, table { margin: 0; }
h1 { font-size: 1.625rem; line-height: 1.25; letter-spacing: -0.015em; font-weight: 660; }
h2 { font-size: 1.125rem; line-height: 1.35; font-weight: 640; }
a { color: var(--accent); text-underline-offset: 0.18em; }
code { font-family: var(--mono); font-size: 0.9em; overflow-wrap: anywhere; }
button, input, select { font: inherit; color: inherit; }
:focus-visible { outline: 2.5px solid var(--accent); outline-offset: 2px; border-radius: 6px; }
.banner { background: var(--accent-soft); border-bottom: 1px solid var(--line); color: var(--text); padding: 10px 20px; text-align: center; font-size: 0.875rem; }
.banner strong { color: var(--accent); }
main { width: min(1080px, 100% - 32px); margin: 0 auto; padding: 32px 0 56px; display: grid; gap: 24px; }
main.narrow { width: min(460px, 100% - 32px); padding-top: min(5vh, 48px); gap: 18px; }
.head { display: flex; gap: 14px; align-items: center; }
.head img { width: 44px; height: 44px; flex: none; }
.muted { color: var(--muted); }
.small { font-size: 0.8125rem; line-height: 1.5; }
.card { background: var(--surface); border: 1px solid var(--line); border-radius: 16px; box-shadow: var(--shadow); padding: 24px; display: grid; gap: 18px; min-width: 0; }
.aside { display: grid; gap: 24px; min-width: 0; }
.columns { display: grid; gap: 24px; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); align-items: start; }
.fields { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 240px), 1fr)); }
.field { display: grid; gap: 6px; min-width: 0; align-content: start; }
.field label { font-weight: 580; font-size: 0.875rem; }
.hint { color: var(--muted); font-size: 0.8125rem; line-height: 1.45; }
select, input[type="text"] { width: 100%; min-height: 42px; padding: 8px 12px; border: 1px solid var(--line-strong); border-radius: 10px; background: var(--surface); }
select:focus-visible, input[type="text"]:focus-visible { outline-offset: -1px; border-radius: 10px; }
.btn { display: inline-flex; align-items: center; justify-content: center; min-height: 42px; padding: 0 18px; border-radius: 10px; border: 1px solid var(--line-strong); background: var(--surface); font-weight: 580; cursor: pointer; }
.btn:hover { background: var(--surface-2); }
.btn.primary { background: var(--accent); border-color: transparent; color: var(--on-accent); }
.btn.primary:hover { background: var(--accent-hover); }
.btn.small { min-height: 32px; padding: 0 12px; font-size: 0.8125rem; border-radius: 8px; }
.btn.danger { color: var(--danger); }
.actions { display: flex; flex-wrap: wrap; gap: 12px; align-items: center; }
.actions .btn { flex: 1 1 140px; }
.actions.start .btn { flex: 0 0 auto; }
fieldset { border: 0; padding: 0; display: grid; gap: 8px; min-width: 0; }
legend { padding: 0; margin-bottom: 8px; font-weight: 580; font-size: 0.875rem; }
.person { display: flex; gap: 12px; align-items: center; padding: 7px 14px; border: 1px solid var(--line); border-radius: 12px; cursor: pointer; }
.person:hover { background: var(--surface-2); }
.person:has(input:checked) { border-color: var(--accent); background: var(--accent-soft); }
.person:has(input:focus-visible) { outline: 2.5px solid var(--accent); outline-offset: 2px; }
.person input { width: 18px; height: 18px; margin: 0; flex: none; accent-color: var(--accent); outline: none; }
.person span { display: grid; min-width: 0; overflow-wrap: anywhere; }
.person .muted { font-size: 0.8125rem; }
/* The name is asked for where somebody else signs in; browsers without :has() always show the field. */
@supports selector(:has(*)) { form:not(:has([value="other"]:checked)) .other { display: none; } }
.scopes { padding-left: 20px; display: grid; gap: 4px; }
.notice { padding: 12px 16px; border-radius: 12px; }
.notice.ok, .pill.ok { background: var(--ok-bg); color: var(--ok-fg); }
.notice.bad, .pill.bad { background: var(--bad-bg); color: var(--bad-fg); }
.pill { display: inline-block; padding: 2px 10px; border-radius: 999px; font-size: 0.8125rem; font-weight: 580; background: var(--off-bg); color: var(--off-fg); }
.facts { display: grid; grid-template-columns: 1fr max-content; gap: 8px 16px; font-variant-numeric: tabular-nums; }
.facts dt { color: var(--muted); }
.facts dd { text-align: right; font-weight: 580; }
.facts.addresses { grid-template-columns: 1fr; gap: 2px; }
.facts.addresses dd { text-align: left; font-weight: 400; margin-bottom: 8px; }
.scroll { overflow-x: auto; margin: 0 -24px; padding: 0 24px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-size: 0.75rem; font-weight: 600; color: var(--muted); padding: 8px 12px 8px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td { padding: 10px 12px 10px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:last-child td { border-bottom: 0; }
td:last-child, th:last-child { padding-right: 0; text-align: right; }
@media (max-width: 800px) { .columns { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 480px) { .card { padding: 18px; } .scroll { margin: 0 -18px; padding: 0 18px; } h1 { font-size: 1.375rem; } }
)css";
}

std::string_view icon_svg() {
  return R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#6b4400"/>)"
         R"(<circle cx="16" cy="16" r="9" fill="none" stroke="#f4c95d" stroke-width="2" stroke-dasharray="4 2.6"/>)"
         R"(<circle cx="13.4" cy="16" r="3.1" fill="none" stroke="#f4c95d" stroke-width="2.2"/>)"
         R"(<path d="M16.5 16h6.1v2.6M19.9 16v2" fill="none" stroke="#f4c95d" stroke-width="2.2" stroke-linecap="round"/></svg>)";
}

}  // namespace latchkey::sandbox
