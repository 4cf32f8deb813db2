import { percent } from "@villa/command-kit";
import type { Evaluation } from "@villa/vlm/node";
import { barChart, barCharts, lineChart, type Series, type SeriesColor } from "./charts.ts";
import type { ReportData, TrainedModel } from "./data.ts";
import { dataTable, html, type Markup, trusted } from "./html.ts";
import { legend } from "./mapping-section.ts";

const look: Record<TrainedModel["pairs"], { readonly name: string; readonly color: SeriesColor }> = {
  mapping: { name: "mapped regions", color: "var(--mapped)" },
  image: { name: "whole images", color: "var(--image)" },
};

/** Stage 2: the model trained on mapped pairs beside the one-to-one baseline. */
export function vlmSection({ models, untrained }: ReportData): Markup {
  const cutOffs = untrained.textToRegion.at.map(({ k }) => k);
  const rows = (side: "textToRegion" | "regionToText") => [
    ...models.map(({ pairs, evaluation }) => qualityRow(look[pairs].name, evaluation[side])),
    qualityRow("untrained", untrained[side]),
  ];
  const head = (what: string) => [what, "R-Precision", ...cutOffs.flatMap((k) => [`P@${k}`, `R@${k}`])];
  const trained = models.map(
    ({ pairs, pairCount }) => `${pairCount.toLocaleString("en")} pairs of ${look[pairs].name}`,
  );
  return html`<section id="vlm"><h2>Stage 2: a vision-language model</h2>
<p>The same small image tower, from the same random weights, is trained twice: on regions with the text that Stage 1 mapped to them, and on whole images with their whole text, the usual one-to-one way (${trained.join("; ")}). Both are then asked for regions by attribute on held-out images.</p>
<h3>Text → region retrieval, test split (%)</h3>${dataTable(head("trained on"), rows("textToRegion"))}
<h3>Region → text retrieval, test split (%)</h3>${dataTable(head("trained on"), rows("regionToText"))}
<p class="soft">R-Precision is the precision among the first R answers, R being the number of right ones. “Untrained” are the random projections that Stage 1 started from: chance.</p>
<div class="two">${lossCard(models)}${groupCard(models, untrained)}</div>
<h3>Text → region R-Precision of each attribute (%)</h3>${legend(models.map(({ pairs }) => look[pairs]))}
<div class="two">${attributeBars(models).map((chart) => html`<div class="card">${trusted(chart)}</div>`)}</div>
</section>`;
}

function qualityRow(name: string, { rPrecision, at }: Evaluation["textToRegion"]): string[] {
  return [name, percent(rPrecision), ...at.flatMap(({ precision, recall }) => [percent(precision), percent(recall)])];
}

function lossCard(models: readonly TrainedModel[]): Markup {
  const series = models.flatMap(({ pairs, history }): Series[] => [
    { ...look[pairs], points: history.map(({ epoch, loss }) => [epoch, loss] as const) },
    {
      name: `${look[pairs].name}, validation`,
      color: look[pairs].color,
      dashed: true,
      points: history.flatMap(({ epoch, validationLoss }) =>
        validationLoss === undefined ? [] : [[epoch, validationLoss] as const],
      ),
    },
  ]);
  const shown = series.filter(({ points }) => points.length > 0);
  return html`<div class="card"><h3>Contrastive loss</h3>${legend(shown)}${trusted(
    lineChart({
      description: "Stage 2 loss by epoch of both models",
      x: "epoch",
      y: "loss",
      series: shown,
      whole: true,
    }),
  )}<p class="soft" style="margin:8px 0 0">The two losses count different pairs: compare their course, not their height.</p></div>`;
}

function groupCard(models: readonly TrainedModel[], untrained: Evaluation): Markup {
  const all = [
    ...models.map(({ pairs, evaluation }) => ({ ...look[pairs], evaluation })),
    { name: "untrained", color: "var(--plain)" as const, evaluation: untrained },
  ];
  const rows = untrained.perGroup.map(({ group }, i) => ({
    label: group,
    bars: all.map(({ color, evaluation }) => ({ value: evaluation.perGroup[i]?.rPrecision ?? 0, color })),
  }));
  return html`<div class="card"><h3>Text → region R-Precision by kind</h3>${legend(all)}${trusted(
    barChart("Text to region R-Precision for each group of attributes", rows),
  )}</div>`;
}

function attributeBars(models: readonly TrainedModel[]): string[] {
  const names = models[0]?.evaluation.attributes ?? [];
  return barCharts(
    "Text to region R-Precision of each attribute for both models",
    names.map((label, i) => ({
      label,
      bars: models.map(({ pairs, evaluation }) => ({
        value: evaluation.perAttribute[i]?.rPrecision ?? 0,
        color: look[pairs].color,
      })),
    })),
  );
}
