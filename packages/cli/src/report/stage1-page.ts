import { join } from "node:path";
import { assignmentLegend, counted, regionFigure } from "@villa/command-kit";
import { atomicWriteFile, openDataset } from "@villa/data/node";
import type { EpochSummary, Epsilon, MappingReport } from "@villa/mapping";
import { dataTable, html, type Markup, minute, selfContainedPage } from "./html.ts";
import { type MappedFile, type MappedPicture, type MappedSamples, mappedSamples } from "./mapped-samples.ts";
import {
  attributeBars,
  confusionCard,
  epsilonSplit,
  epsilonText,
  lossCard,
  qualities,
  qualityTable,
  tradeOffCard,
} from "./mapping-section.ts";

/** What the report of `villa stage1` and `villa map` shows. */
export interface Stage1Run {
  readonly directory: string;
  readonly history: readonly EpochSummary[];
  readonly epsilon?: Epsilon | undefined;
  readonly mappings: readonly {
    readonly split: string;
    readonly images: number;
    readonly report?: MappingReport | undefined;
  }[];
  /** What to know about the figures. */
  readonly notes?: readonly string[] | undefined;
  /** Groups of the dataset's attributes. */
  readonly groups: readonly { readonly name: string }[];
  readonly samples?: MappedSamples | undefined;
}

/** Writes `report.html` into a run's folder, with pictures out of the dataset. @returns its path */
export async function writeStage1Report(
  run: Omit<Stage1Run, "groups" | "samples"> & { readonly mappings: readonly MappedFile[] },
  dataDir: string,
): Promise<string> {
  const dataset = await openDataset(dataDir);
  const samples = await mappedSamples(dataset, run.mappings);
  const path = join(run.directory, "report.html");
  const page = renderStage1Report({ ...run, groups: dataset.vocabulary.groups, samples }, new Date().toISOString());
  await atomicWriteFile(path, page);
  return path;
}

/** `report.html` of a run of Stage 1: quality, pictures, loss, ε, attributes, confusions; judged splits are those with ground truth. */
export function renderStage1Report(run: Stage1Run, finished: string): string {
  const { directory, history, epsilon, mappings, groups, samples, notes = [] } = run;
  const judged = mappings.flatMap(({ split, report }) => (report ? [{ split, report }] : []));
  const shown =
    judged.find(({ split }) => split === "test") ?? judged.find(({ split }) => split === "val") ?? judged[0];
  const swept = epsilonSplit(mappings);
  const images = mappings.map((each) => `${each.split} (${counted(each.images, "image")})`).join(", ");
  return selfContainedPage("ViLLA Stage 1", [
    html`<header><h1>Stage 1: which attribute belongs to which region</h1>
<p class="lead">${images || "Nothing mapped yet"}; ε = ${describeEpsilon(epsilon)}.</p></header>`,
    shown
      ? html`<section><h2>Quality against the true attributes (%)</h2>${qualityTable(judged)}${notes.map((note) => html`<p class="soft">${note}</p>`)}</section>`
      : html`<p>The dataset has no true attributes of regions (<code>reg_to_attr</code>), so the mapping cannot be scored.</p>`,
    samples ? samplesSection(samples) : html``,
    html`<div class="two">${history.length > 0 ? lossCard(history) : ""}${swept ? tradeOffCard(swept.report.sweep, { split: swept.split, epsilon }) : ""}</div>`,
    swept
      ? html`<section><h2>ε, ${swept.split} split (%)</h2>${dataTable(
          ["ε", "precision", "recall", "F1"],
          swept.report.sweep.map((each) => [epsilonText(each.epsilon), ...qualities(each, 1)]),
        )}</section>`
      : html``,
    shown
      ? html`<section><h2>Attributes</h2>${attributeBars(shown.report.attributes, shown.split)}${confusionCard(shown.report, groups)}</section>`
      : html``,
    html`<footer>Written on ${minute(finished)} UTC for ${directory}. The figures are in <code>report.json</code> beside this page.</footer>`,
  ]);
}

/** What a reader can check without any truth: what the regions of some pictures were given. */
function samplesSection({ split, rows }: MappedSamples): Markup {
  const regions = rows.flatMap((row) => row.regions);
  return html`<section><h2>What regions were given</h2>
<p>The first images of the ${split} split, and for each of their regions the attributes of the text that were mapped to it.</p>
${rows.every(isUndivided) ? html`<p><b>Each of these images gave all of its regions the same attributes: ε is too large to tell them apart.</b> Map again with a smaller one, such as <code>villa map … epsilon=0.02</code>, or with <code>mapping.exclusive=true</code> where a region has one attribute of a group.</p>` : ""}${assignmentLegend(regions)}
<div class="pictures">${rows.map((row) => regionFigure(row))}</div></section>`;
}

/** Whether a mapping says the same of all regions of an image. */
function isUndivided({ regions }: MappedPicture): boolean {
  const given = regions.map(({ assigned = [] }) => assigned.toSorted().join("\n"));
  return given.length > 1 && given[0] !== "" && given.every((each) => each === given[0]);
}

function describeEpsilon(epsilon: Epsilon | undefined): string {
  if (epsilon === undefined) return "not chosen";
  return typeof epsilon === "number" ? epsilon.toFixed(3) : "one for each attribute";
}
