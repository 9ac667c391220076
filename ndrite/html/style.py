"""The page's style sheet."""

STYLE = """
:root { color-scheme: light dark; --ink: #1f3a5f; --line: #d9e1ea; --text: #1b2530; --soft: #4a5a6a;
--page: #f4f6f9; --card: #fff; --link: #1d5fa8; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #c5d6ec; --line: #36434f; --text: #dde5ec;
--soft: #a8b6c4; --page: #12181e; --card: #1c252e; --link: #7fb4f0; } }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--text);
background: var(--page); }
header, main { max-width: 1080px; margin: 0 auto; padding: 0 16px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 24px 0 12px; color: var(--ink); overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 8px; color: var(--ink); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
padding: 10px 12px; }
.figures b { display: block; font-size: 1.3rem; color: var(--ink); }
.figures span { font-size: 0.85rem; color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: 4px 14px; margin: 14px 0; font-size: 0.95rem; }
nav a { color: var(--link); padding: 4px 0; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
padding: 14px 16px; margin: 0 0 16px; }
figure { margin: 12px 0 0; }
figure img { display: block; width: 100%; max-width: 920px; height: auto; margin: 0 auto; background: #fff;
border-radius: 6px; min-width: 600px; }
#accuracy figure img { max-width: 560px; min-width: 0; }
figcaption { font-size: 0.85rem; color: var(--soft); text-align: center; margin-top: 4px; }
h3 { font-size: 1rem; margin: 8px 0; color: var(--ink); }
header h2 { margin: 14px 0 6px; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 0 24px; }
.pair > div { min-width: 0; }
.two { max-width: 1500px; }
@media (min-width: 1000px) { .pair figure img { min-width: 0; } }
.wide + .wide { margin-top: 16px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.88rem; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0; border-bottom: 1px solid
var(--line); }
td { min-width: 4em; }
td:first-child { min-width: 6.5em; }
td:last-child { min-width: 9em; }
#provenance td, #chip td:last-child, #difference td { overflow-wrap: anywhere; }
#errors td:last-child { min-width: 14em; }
details { margin-top: 10px; }
summary { cursor: pointer; padding: 6px 0; color: var(--link); }
.controls { display: flex; flex-wrap: wrap; gap: 8px 18px; margin: 6px 0; align-items: center; }
.controls label { max-width: 100%; }
#plot { width: 100%; height: min(70vh, 520px); }
select, textarea, button { font: inherit; color: var(--text); background: var(--page); max-width: 100%;
border: 1px solid var(--line); border-radius: 6px; padding: 4px 8px; }
select[multiple], textarea { width: 100%; font-size: 0.88rem; }
textarea { font-family: ui-monospace, monospace; }
section p { margin: 6px 0; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
@media print { body { background: #fff; } section { break-inside: avoid; } nav { display: none; } }
"""
