import { type Dataset, openDataset } from "@villa/data/node";
import type { Evaluation, FoundAttribute, FoundRegion } from "@villa/vlm/node";
import { barChart, barCharts } from "./charts.ts";
import { dataTable, html, type Markup, minute, selfContainedPage, trusted } from "./html.ts";
import { cropped, pngUrl, thumbnail } from "./thumbnail.ts";

/** Best regions shown of each attribute, and images shown with the attributes of their regions. */
export const examplesShown = { regions: 8, images: 8 } as const;

/** Regions are drawn about this wide, whole images about `imageSide`. */
const regionSide = 112;
const imageSide = 252;

/**
 * The page of `villa evaluate --report`: retrieval in figures, then what was found, in pictures.
 *
 * @param evaluation with examples
 */
export async function renderEvaluation(
  evaluation: Evaluation,
  { dataDir, checkpoint, finished }: { dataDir: string; checkpoint: string; finished: string },
): Promise<string> {
  const { split, images, regions, attributes, perAttribute, perGroup, textToRegion, regionToText, examples } =
    evaluation;
  const dataset = await openDataset(dataDir);
  const pictures = new RegionPictures(dataset);
  const percent = (fraction: number): string => (100 * fraction).toFixed(1);
  const cutOffs = textToRegion.at.map(({ k }) => k);
  const row = (name: string, { rPrecision, at }: Evaluation["textToRegion"]): string[] => [
    name,
    percent(rPrecision),
    ...at.flatMap(({ precision, recall }) => [percent(precision), percent(recall)]),
  ];
  const bars = attributes.map((label, i) => ({
    label,
    bars: [{ value: 100 * (perAttribute[i]?.rPrecision ?? 0), color: "var(--mapped)" as const }],
  }));
  const groups = perGroup.map(({ group, rPrecision }) => ({
    label: group,
    bars: [{ value: 100 * (rPrecision ?? 0), color: "var(--mapped)" as const }],
  }));
  const found: Markup[] = [];
  for (const { attribute, regions: best } of examples?.byAttribute ?? []) {
    const figures = [];
    for (const region of best) figures.push(await pictures.region(region));
    found.push(html`<h3>${attribute}</h3><div class="hits">${figures}</div>`);
  }
  const shown: Markup[] = [];
  for (const { imageId, regions: own } of examples?.byImage ?? []) shown.push(await pictures.image(imageId, own));
  return selfContainedPage("ViLLA retrieval", [
    html`<header><h1>Which region, which attribute</h1>
<p class="lead">${regions.toLocaleString("en")} regions of ${images.toLocaleString("en")} images, split ${split}, ranked by ${checkpoint}.</p></header>
<section><h2>Retrieval (%)</h2>
${dataTable(["", "R-Precision", ...cutOffs.flatMap((k) => [`P@${k}`, `R@${k}`])], [row("text → region", textToRegion), row("region → text", regionToText)])}
<p class="soft">R-Precision is the precision among the first R answers, R being the number of right ones. Equal scores count as their expectation.</p></section>
<section><h2>Text → region, R-Precision (%)</h2>
<h3>Each kind of attribute</h3>
<div class="card" style="max-width:520px">${trusted(barChart("Text to region R-Precision of each group", groups))}</div>
<h3 style="margin-top:30px">Each attribute</h3>
<div class="two">${barCharts("Text to region R-Precision of each attribute", bars).map((chart) => html`<div class="card">${trusted(chart)}</div>`)}</div></section>
<section><h2>Best regions of each attribute</h2><p class="soft">From the best to the worse, with their cosine; a green frame where the region truly has the attribute, a red one where not.</p>${found}</section>
<section><h2>Attributes of the regions of some images</h2><p class="soft">As many attributes as a region truly has, the best first. Regions are numbered from the top left.</p><div class="samples">${shown}</div></section>
<footer>Written on ${minute(finished)} UTC for ${dataDir}.</footer>`,
  ]);
}

/** Pictures of regions; each image is read once. */
class RegionPictures {
  readonly #dataset: Dataset;
  readonly #rows: ReadonlyMap<number, ReturnType<Dataset["rows"]>[number]>;
  readonly #images = new Map<number, ReturnType<Dataset["readImage"]>>();

  constructor(dataset: Dataset) {
    this.#dataset = dataset;
    this.#rows = new Map(dataset.rows().map((row) => [row.imageId, row]));
  }

  async region({ imageId, region, score, correct }: FoundRegion): Promise<Markup> {
    const row = this.#rows.get(imageId)!;
    const picture = cropped(await this.#image(imageId), row.regionCoord[region]!, 2);
    const source = pngUrl(thumbnail(picture, [], regionSide));
    const verdict = correct ? "right" : "wrong";
    return html`<figure class="${verdict}"><img src="${source}" alt="Region ${region + 1} of image ${imageId}, ${verdict}"><figcaption>${score.toFixed(2)}</figcaption></figure>`;
  }

  async image(imageId: number, regions: readonly (readonly FoundAttribute[])[]): Promise<Markup> {
    const row = this.#rows.get(imageId)!;
    const source = pngUrl(thumbnail(await this.#image(imageId), row.regionCoord, imageSide));
    const lines = regions.map(
      (found, region) =>
        html`<div class="chips"><span>${region + 1}</span>${found.map(({ attribute, correct }) => html`<span class="chip ${correct ? "right" : "wrong"}">${attribute}</span>`)}</div>`,
    );
    return html`<figure><img src="${source}" alt="Image ${imageId} with ${regions.length} regions"><figcaption>${lines}</figcaption></figure>`;
  }

  #image(imageId: number): ReturnType<Dataset["readImage"]> {
    const known = this.#images.get(imageId);
    if (known) return known;
    const image = this.#dataset.readImage(this.#rows.get(imageId)!);
    this.#images.set(imageId, image);
    return image;
  }
}
