import type { MappedRegionPicture, ReportData, ReportPictures } from "./data.ts";
import { attributeBars, confusionCard, lossCard, qualityTable, tradeOffCard } from "./mapping-cards.ts";
import { html, type Markup } from "./markup.ts";

/** Stage 1: how the mapping was learned and how good it is. */
export function mappingSection({ stage1 }: ReportData, { right, wrong }: ReportPictures): Markup {
  const test = stage1.splits.find(({ split }) => split === "test")?.report ?? stage1.splits.at(-1)?.report;
  return html`<section id="mapping"><h2>Stage 1: which attribute belongs to which region</h2>
<p>One small projection an attribute is trained with a contrastive loss on whole images and texts only. A region is then given every attribute of its text whose score is within ε of the best region's. The ε of ${stage1.epsilon.toFixed(3)} is the one with the best F1 on the validation split.</p>
${qualityTable(stage1.splits)}
<div class="two">
${lossCard(stage1.history)}
${test ? tradeOffCard(test.sweep, "test", stage1.epsilon) : ""}
</div>
${test ? [attributeBars(test.attributes, "test"), confusionCard(test)] : ""}
<h3 style="margin-top:36px">Regions mapped right</h3>
<p class="soft">Every attribute found, none too many.</p>
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
