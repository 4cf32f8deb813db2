import type { ReportData, ReportPictures } from "./data.ts";
import { minute, selfContainedPage } from "./frame.ts";
import { mappingSection } from "./mapping-section.ts";
import { html } from "./markup.ts";
import { dataSection, goingOnSection, headSection, ranSection } from "./sections.ts";
import { vlmSection } from "./vlm-section.ts";

/** The report of a quickstart. */
export function renderReport(data: ReportData, pictures: ReportPictures): string {
  return selfContainedPage("ViLLA quickstart", [
    headSection(data),
    dataSection(data, pictures),
    mappingSection(data, pictures),
    vlmSection(data),
    ranSection(data),
    goingOnSection(data),
    html`<footer>Written by <code>villa quickstart</code> on ${minute(data.finished)} UTC. The figures are in <code>quickstart.json</code> beside this page.</footer>`,
  ]);
}
