import { barCharts, lineChart, type Series } from "./charts.ts";
import type { MappedRegionPicture, ReportData, ReportPictures } from "./data.ts";
import { dataTable, html, type Markup, trusted } from "./markup.ts";

/** Stage 1: how the mapping was learned and how good it is. */
export function mappingSection({ stage1 }: ReportData, { right, wrong }: ReportPictures): Markup {
  const test = stage1.splits.find(({ split }) => split === "test")?.report ?? stage1.splits.at(-1)?.report;
  return html`<section id="mapping"><h2>Stage 1: which attribute belongs to which region</h2>
<p>One small projection an attribute is trained with a contrastive loss on whole images and texts only. A region is then given every attribute of its text whose score is within ε of the best region's. The ε of ${stage1.epsilon.toFixed(3)} is the one with the best F1 on the validation split.</p>
${dataTable(
  ["split", "precision", "recall", "F1"],
  stage1.splits.map(({ split, report }) => [
    split,
    ...[report.precision, report.recall, report.f1].map((n) => n.toFixed(1)),
  ]),
)}
<div class="two">
${lossCard(stage1.history)}
${test ? tradeOffCard(test.sweep, stage1.epsilon) : ""}
</div>
${
  test
    ? html`<h3>F1 of each attribute, test split (%)</h3><div class="two">${barCharts(
        "Mapping F1 of each attribute on the test split",
        test.attributes.map(({ attribute, f1 }) => ({
          label: attribute,
          bars: [{ value: f1, color: "var(--mapped)" }],
        })),
      ).map((chart) => html`<div class="card">${trusted(chart)}</div>`)}</div>`
    : ""
}
<h3 style="margin-top:36px">Regions mapped right</h3>
<p class="soft">Every attribute found, none too many.</p>
<div class="regions">${right.map(regionFigure)}</div>
<h3>Regions mapped wrong</h3>
<p class="legend"><span class="chip right">✓ right</span><span class="chip wrong">✗ not there</span><span class="chip missed">missed</span></p>
<div class="regions">${wrong.map(regionFigure)}</div>
</section>`;
}

function lossCard(history: ReportData["stage1"]["history"]): Markup {
  const series: Series[] = [
    { name: "training", color: "var(--mapped)", points: history.map(({ epoch, loss }) => [epoch, loss] as const) },
  ];
  const judged = history.flatMap(({ epoch, validation }) => (validation ? [[epoch, validation.loss] as const] : []));
  if (judged.length > 0) series.push({ name: "validation", color: "var(--mapped)", dashed: true, points: judged });
  return html`<div class="card"><h3>Contrastive loss</h3>${legend(series)}${trusted(
    lineChart({ description: "Stage 1 loss by epoch", x: "epoch", y: "loss", series, whole: true }),
  )}</div>`;
}

function tradeOffCard(
  sweep: readonly { epsilon: number; precision: number; recall: number; f1: number }[],
  epsilon: number,
): Markup {
  const of = (name: "precision" | "recall" | "f1") => sweep.map((each) => [each.epsilon, each[name]] as const);
  const series: Series[] = [
    { name: "precision", color: "var(--image)", points: of("precision") },
    { name: "recall", color: "var(--right)", points: of("recall") },
    { name: "F1", color: "var(--mapped)", points: of("f1") },
  ];
  return html`<div class="card"><h3>What ε trades, test split</h3>${legend(series)}${trusted(
    lineChart({
      description: "Precision, recall and F1 of the mapping over epsilon",
      x: "ε",
      y: "%",
      series,
      mark: { x: epsilon, text: `ε = ${epsilon.toFixed(3)}` },
      domain: [0, 100],
    }),
  )}</div>`;
}

/** Names the lines of a chart. */
export function legend(series: readonly Pick<Series, "name" | "color" | "dashed">[]): Markup {
  return html`<div class="legend">${series.map(
    ({ name, color, dashed }) =>
      html`<span><i class="${dashed ? "dashed" : ""}" style="border-color:${color}"></i>${name}</span>`,
  )}</div>`;
}

function regionFigure({ png, imageId, truth, assigned }: MappedRegionPicture): Markup {
  const chips = [
    ...assigned.filter((name) => truth.includes(name)).map((name) => html`<span class="chip right">✓ ${name}</span>`),
    ...assigned.filter((name) => !truth.includes(name)).map((name) => html`<span class="chip wrong">✗ ${name}</span>`),
    ...truth.filter((name) => !assigned.includes(name)).map((name) => html`<span class="chip missed">${name}</span>`),
  ];
  return html`<figure><img src="${png}" alt="A region of image ${imageId}: ${truth.join(", ")}"><figcaption class="chips">${chips}</figcaption></figure>`;
}
