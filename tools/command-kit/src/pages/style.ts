/** The report's whole style sheet: system fonts, one column on a phone, colours that follow the reader's scheme. */
export const style = `
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #ffffff; --ink: #1d1f24; --soft: #5d626d; --line: #e2dfd7;
  --accent: #2757c4; --mapped: #2757c4; --image: #c7631a; --plain: #8b8f99; --right: #167344; --wrong: #c0322b;
  --right-bg: #e2f3e8; --wrong-bg: #fbe5e2; --code: #f2f0ea; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171b; --card: #1d2026; --ink: #e8e6e1; --soft: #a0a5b0; --line: #32363f;
    --accent: #8fb2ff; --mapped: #8fb2ff; --image: #f0a060; --plain: #80858f; --right: #6fd39b; --wrong: #ff8d84;
    --right-bg: #1d3527; --wrong-bg: #40211f; --code: #24272e; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%; overflow-wrap: break-word;
  font: 17px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 56px 28px 80px; }
h1 { font-size: clamp(30px, 5vw, 46px); line-height: 1.12; letter-spacing: -0.02em; margin: 0 0 14px; text-wrap: balance; }
h2 { font-size: clamp(23px, 3vw, 29px); line-height: 1.2; letter-spacing: -0.012em; margin: 72px 0 10px; padding-top: 20px; border-top: 1px solid var(--line); }
h3 { font-size: 17px; margin: 0 0 4px; }
p { max-width: 68ch; margin: 0 0 14px; }
.lead { font-size: 20px; color: var(--soft); max-width: 60ch; }
.soft, figcaption, .legend { color: var(--soft); font-size: 15px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; margin: 30px 0 0; }
.figures > div, .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; }
.figures b { display: block; font-size: 32px; line-height: 1.15; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; white-space: nowrap; }
.figures span { color: var(--soft); font-size: 14px; line-height: 1.35; display: block; margin-top: 4px; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 18px; margin: 20px 0; align-items: start; }
.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 20px; margin: 22px 0; }
.samples figure { margin: 0; }
.samples img { display: block; width: 100%; height: auto; border-radius: 10px; image-rendering: pixelated; }
.samples figcaption { margin-top: 8px; font-size: 14px; line-height: 1.5; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 28px 22px; margin: 22px 0; align-items: start; }
.picture { margin: 0; min-width: 0; } .picture > svg { display: block; width: 100%; height: auto; } .picture image.pixels { image-rendering: pixelated; }
.picture .mask { fill: var(--box); fill-opacity: 0.4; }
.picture rect { vector-effect: non-scaling-stroke; fill: none; } .picture .halo { stroke: rgb(0 0 0 / 0.55); stroke-width: 4.5px; } .picture .edge { stroke: var(--box); stroke-width: 2px; }
.picture rect.tag { fill: var(--box); } .picture svg text { fill: #16181d; text-anchor: middle; font-weight: 600; }
.picture figcaption { margin-top: 8px; font-size: 14px; line-height: 1.5; } .picture figcaption > b { color: var(--ink); } .picture p { margin: 2px 0 6px; }
.picture ul { list-style: none; margin: 6px 0 0; padding: 0; } .picture li { display: flex; flex-wrap: wrap; align-items: center; gap: 5px; margin: 0 0 5px; color: var(--ink); }
b.tag { flex: none; min-width: 20px; padding: 0 5px; border-radius: 4px; text-align: center; font-size: 13px; line-height: 20px; background: var(--box); color: #16181d; }
.correct { border-top: 1px solid var(--line); padding-top: 10px; } .correct label { display: flex; gap: 6px; align-items: center; font-size: 14px; margin-bottom: 6px; }
button, select { font: inherit; font-size: 13px; line-height: 1.3; color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 99px; padding: 4px 10px; cursor: pointer; max-width: 100%; }
button[aria-pressed="true"] { background: var(--accent); border-color: var(--accent); color: var(--paper); } button.main { font-size: 15px; padding: 8px 18px; }
.bar { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; background: var(--paper); padding: 10px 0; }
.box0 { --box: #ffb000; } .box1 { --box: #64c8ff; } .box2 { --box: #ff7ab8; } .box3 { --box: #82e682; } .box4 { --box: #c8a0ff; } .box5 { --box: #f0f05a; }
.regions { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; margin: 14px 0 26px; }
.regions figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 12px; }
.regions img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 6px; image-rendering: pixelated; background: #000; }
.hits { display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 10px; margin: 8px 0 26px; }
.hits figure { margin: 0; } .hits figcaption { font-size: 13px; text-align: center; font-variant-numeric: tabular-nums; }
.hits img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border: 3px solid; border-radius: 8px; image-rendering: pixelated; background: #000; }
.hits .right img { border-color: var(--right); } .hits .wrong img { border-color: var(--wrong); }
.chips { display: flex; flex-wrap: wrap; gap: 5px; margin-top: 10px; }
.chip { font-size: 13px; line-height: 1.3; padding: 2px 8px; border-radius: 99px; border: 1px solid transparent; white-space: nowrap; }
.chip.right { background: var(--right-bg); color: var(--right); }
.chip.wrong { background: var(--wrong-bg); color: var(--wrong); }
.chip.unknown { border-color: var(--line); color: var(--ink); }
.chip.missed { border: 1px dashed var(--soft); color: var(--soft); }
.card svg { display: block; width: 100%; height: auto; margin-top: 10px; }
.wide-chart { max-width: 760px; overflow-x: auto; margin: 14px 0 30px; } .wide-chart svg { min-width: 560px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 14px; }
.legend i { display: inline-block; width: 18px; height: 0; border-top: 3px solid; vertical-align: middle; margin-right: 7px; }
.legend i.dashed { border-top-style: dashed; border-top-width: 2px; }
.scroll { overflow-x: auto; margin: 12px 0 20px; }
table { border-collapse: collapse; font-size: 15px; font-variant-numeric: tabular-nums; min-width: min(100%, 420px); }
th, td { padding: 8px 18px 8px 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, .text { text-align: left; } thead th { color: var(--soft); font-weight: 500; font-size: 14px; }
tbody th { font-weight: 500; } td b { color: var(--accent); }
.wide table { width: 100%; }
pre { background: var(--code); border-radius: 10px; padding: 16px 18px; overflow-x: auto; font-size: 14px; line-height: 1.6; margin: 12px 0 22px; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.92em; overflow-wrap: anywhere; }
pre code { font-size: inherit; overflow-wrap: normal; }
footer { margin-top: 64px; padding-top: 18px; border-top: 1px solid var(--line); color: var(--soft); font-size: 14px; }
@media (max-width: 560px) {
  .hits { grid-template-columns: repeat(4, minmax(0, 1fr)); } main { padding: 32px 16px 56px; } body { font-size: 16px; } .lead { font-size: 18px; } h2 { margin-top: 52px; }
  .figures { grid-template-columns: 1fr 1fr; gap: 10px; } .figures > div, .card { padding: 14px; }
  .figures b { font-size: 24px; } .regions { grid-template-columns: 1fr 1fr; gap: 10px; } .scroll th, .scroll td { padding: 8px 7px 8px 0; font-size: 13.5px; } .scroll :is(th, td):last-child { padding-right: 0; } .scroll thead th { font-size: 12px; white-space: normal; vertical-align: bottom; }
  .scroll tbody th { white-space: normal; min-width: 66px; } .scroll table { width: 100%; min-width: 0; }
  .wide th, .wide td { white-space: normal; } .wide table { min-width: 0; }
}
@media print { main { padding: 0; } .card, .regions figure, .samples figure { break-inside: avoid; } }
`;
