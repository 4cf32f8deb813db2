import type { ReportData, ReportPictures } from "./data.ts";
import { mappingSection } from "./mappingSection.ts";
import { html, trusted } from "./markup.ts";
import { dataSection, goingOnSection, headSection, ranSection } from "./sections.ts";
import { style } from "./style.ts";
import { vlmSection } from "./vlmSection.ts";

/** One page with everything in it: no scripts, nothing loaded from anywhere. */
export function renderReport(data: ReportData, pictures: ReportPictures): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>ViLLA quickstart</title>
<style>${trusted(style)}</style>
</head>
<body><main>
${[
  headSection(data),
  dataSection(data, pictures),
  mappingSection(data, pictures),
  vlmSection(data),
  ranSection(data),
  goingOnSection(data),
]}
<footer>Written by <code>villa quickstart</code> on ${data.finished.slice(0, 16).replace("T", " ")} UTC. The figures are in <code>quickstart.json</code> beside this page.</footer>
</main></body>
</html>
`.html;
}
