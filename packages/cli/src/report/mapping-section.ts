import { listed, percent } from "@villa/command-kit";
import type { EpochSummary, Epsilon, EpsilonResult, MappingReport } from "@villa/mapping";
import type { MappingMetrics } from "@villa/metrics";
import { barCharts, heatmap, lineChart, type Series } from "./charts.ts";
import type { MappedRegionPicture, ReportData, ReportPictures } from "./data.ts";
import { dataTable, html, type Markup, trusted } from "./html.ts";

/** Stage 1: how the mapping was learned and how good it is. */
export function mappingSection({ stage1, attributeGroups }: ReportData, { right, wrong }: ReportPictures): Markup {
  const test = stage1.splits.find(({ split }) => split === "test")?.report ?? stage1.splits.at(-1)?.report;
  const swept = epsilonSplit(stage1.splits);
  return html`<section id="mapping"><h2>Stage 1: which attribute belongs to which region</h2>
<p>One small projection per attribute is trained with a contrastive loss, on whole images and texts alone. A region is then given every attribute of its text whose score is within ε of the best region's. The ε of ${stage1.epsilon.toFixed(3)} is the one with the best F1 on the validation split.</p>
${qualityTable(stage1.splits)}
<div class="two">
${lossCard(stage1.history)}
${swept ? tradeOffCard(swept.report.sweep, { split: swept.split, epsilon: stage1.epsilon }) : ""}
</div>
${test ? [attributeBars(test.attributes, "test"), confusionCard(test, attributeGroups)] : ""}
<h3 style="margin-top:36px">Regions mapped right</h3>
<p class="soft">Every attribute found, and no other given.</p>
<div class="regions">${right.map(regionFigure)}</div>
<h3>Regions mapped wrong</h3>
<p class="legend"><span class="chip right">✓ right</span><span class="chip wrong">✗ not there</span><span class="chip missed">missed</span></p>
<div class="regions">${wrong.map(regionFigure)}</div>
</section>`;
}

function regionFigure({ png, imageId, truth, assigned }: MappedRegionPicture): Markup {
  const chips = [
    ...assigned.filter((name) => truth.includes(name)).map((name) => html`<span class="chip right">✓ ${name}</span>`),
    ...assigned.filter((name) => !truth.includes(name)).map((name) => html`<span class="chip wrong">✗ ${name}</span>`),
    ...truth.filter((name) => !assigned.includes(name)).map((name) => html`<span class="chip missed">${name}</span>`),
  ];
  return html`<figure><img src="${png}" alt="A region of image ${imageId}: ${truth.join(", ")}"><figcaption class="chips">${chips}</figcaption></figure>`;
}

/** Precision, recall and F1 of each split. */
export function qualityTable(splits: readonly { readonly split: string; readonly report: MappingMetrics }[]): Markup {
  return dataTable(
    ["split", "precision", "recall", "F1"],
    splits.map(({ split, report }) => [split, ...qualities(report, 1)]),
  );
}

/** Precision, recall and F1 as percentages. */
export function qualities({ precision, recall, f1 }: MappingMetrics, decimals = 2): string[] {
  return [precision, recall, f1].map((each) => percent(each, decimals));
}

/** Loss by epoch. */
export function lossCard(history: readonly Omit<EpochSummary, "shares">[]): Markup {
  const series: Series[] = [
    { name: "training", color: "var(--mapped)", points: history.map(({ epoch, loss }) => [epoch, loss] as const) },
  ];
  const judged = history.flatMap(({ epoch, validation }) => (validation ? [[epoch, validation.loss] as const] : []));
  if (judged.length > 0) series.push({ name: "validation", color: "var(--mapped)", dashed: true, points: judged });
  return html`<div class="card"><h3>Contrastive loss</h3>${legend(series)}${trusted(
    lineChart({ description: "Stage 1 loss by epoch", x: "epoch", y: "loss", series, whole: true }),
  )}</div>`;
}

/**
 * The one split whose figures over ε are shown, in the terminal as on pages: val, else train. Never test, on which nothing
 * may be chosen.
 */
export function epsilonSplit<Split extends { readonly split: string; readonly report?: MappingReport | undefined }>(
  splits: readonly Split[],
): (Split & { readonly report: MappingReport }) | undefined {
  const judged = splits.filter((each): each is Split & { readonly report: MappingReport } => each.report !== undefined);
  return judged.find(({ split }) => split === "val") ?? judged.find(({ split }) => split === "train");
}

/** Precision, recall and F1 over ε, with the ε that was used marked where it is one number. */
export function tradeOffCard(
  sweep: readonly EpsilonResult[],
  { split, epsilon }: { readonly split: string; readonly epsilon: Epsilon | undefined },
): Markup {
  const of = (name: "precision" | "recall" | "f1") => sweep.map((each) => [each.epsilon, 100 * each[name]] as const);
  const series: Series[] = [
    { name: "precision", color: "var(--image)", points: of("precision") },
    { name: "recall", color: "var(--right)", points: of("recall") },
    { name: "F1", color: "var(--mapped)", points: of("f1") },
  ];
  return html`<div class="card"><h3>What ε trades, ${split} split</h3>${legend(series)}${trusted(
    lineChart({
      description: "Precision, recall and F1 of the mapping over epsilon",
      x: "ε",
      y: "%",
      series,
      mark: typeof epsilon === "number" ? { x: epsilon, text: `ε = ${epsilon.toFixed(3)}` } : undefined,
      domain: [0, 100],
    }),
  )}</div>`;
}

/** More bars than this are more than anyone reads: the best and the worst are shown. */
const mostBars = 60;

/** F1 of each attribute. */
export function attributeBars(attributes: MappingReport["attributes"], split: string): Markup {
  const all = attributes.length <= mostBars;
  const shown = all ? attributes : extremes(attributes);
  const note = all ? "" : `, the best and the worst ${mostBars / 2} of ${attributes.length}`;
  const charts = barCharts(
    `Mapping F1 of attributes on the ${split} split`,
    shown.map(({ attribute, f1 }) => ({ label: attribute, bars: [{ value: f1, color: "var(--mapped)" }] })),
  );
  return html`<h3>F1 of each attribute, ${split} split (%)${note}</h3><div class="two">${charts.map(
    (chart) => html`<div class="card">${trusted(chart)}</div>`,
  )}</div>`;
}

function extremes(attributes: MappingReport["attributes"]): MappingReport["attributes"] {
  const sorted = [...attributes].sort((a, b) => b.f1 - a.f1);
  return [...sorted.slice(0, mostBars / 2), ...sorted.slice(-mostBars / 2)];
}

/** Cells smaller than those of so many attributes cannot be read. */
const mostOfConfusion = 40;

/**
 * Which attribute is taken for which; nothing for too many attributes.
 *
 * @param groups of the dataset's attributes, to say where the figure is a confusion matrix
 */
export function confusionCard(
  { attributes, confusion }: MappingReport,
  groups: readonly { readonly name: string }[],
): Markup | string {
  if (!confusion || attributes.length > mostOfConfusion) return "";
  const names = attributes.map(({ attribute }) => attribute);
  const shares = confusion.map((row, a) => row.map((regions) => regions / Math.max(1, attributes[a]!.assigned)));
  return html`<h3>What is taken for what (%)</h3>
<p class="soft">Of the regions that were given the attribute of a row, how many truly have the attribute of a column. ${meaning(groups)} Precision is on the diagonal.</p>
<div class="card wide-chart" tabindex="0">${trusted(heatmap("Confusion of attributes", { x: "truly has", y: "was given", names, shares }))}</div>`;
}

/** Only attributes of which a region has one exclude each other. */
function meaning(groups: readonly { readonly name: string }[]): string {
  if (groups.length < 2) return "Attributes that exclude each other are mistaken; others may merely come together.";
  const names = listed(groups.map(({ name }) => name));
  return `Within a group (${names}) this is a confusion matrix if a region has one attribute of it; between groups it shows what comes together.`;
}

/** Names the lines of a chart. */
export function legend(series: readonly Pick<Series, "name" | "color" | "dashed">[]): Markup {
  return html`<div class="legend">${series.map(
    ({ name, color, dashed }) =>
      html`<span><i class="${dashed ? "dashed" : ""}" style="border-color:${color}"></i>${name}</span>`,
  )}</div>`;
}

/** At most three decimals, without zeros at the end. */
export function epsilonText(epsilon: number): string {
  return String(Number(epsilon.toFixed(3)));
}
