import { decodeRle, regionMasks } from "@villa/data";
import type { Dataset } from "@villa/data/node";
import type { Evaluation, FoundAttribute, FoundRegion } from "@villa/vlm/node";
import { html, type Markup } from "../report/html.ts";
import { cropped, croppedMask, faded, pngUrl, thumbnail } from "../report/thumbnail.ts";
import { barSection } from "./bar-section.ts";

/** Best regions shown of each attribute, and images shown with the attributes of their regions. */
export const examplesShown = { regions: 8, images: 8 } as const;

/** Regions are drawn about this wide, whole images about `imageSide`. */
const regionSide = 112;
/** Pixels around a region. */
const margin = 2;
const imageSide = 252;

/** Retrieval by kind and by attribute, then what was found, in pictures. @param evaluation with examples */
export async function retrievalSections(evaluation: Evaluation, dataset: Dataset): Promise<Markup[]> {
  const { attributes, perAttribute, perGroup, examples } = evaluation;
  const pictures = new RegionPictures(dataset);
  const groups = perGroup.map(({ group, rPrecision }) => ({ name: group, value: rPrecision ?? 0 }));
  const own = attributes.map((name, i) => ({ name, value: perAttribute[i]?.rPrecision ?? 0 }));
  const hasMasks = dataset.rows().some(({ regionMasks: masks }) => masks !== undefined);
  const found: Markup[] = [];
  for (const { attribute, regions: best } of examples?.byAttribute ?? []) {
    const figures = [];
    for (const region of best) figures.push(await pictures.region(region));
    found.push(html`<h3>${attribute}</h3><div class="hits">${figures}</div>`);
  }
  const shown: Markup[] = [];
  for (const { imageId, regions } of examples?.byImage ?? []) shown.push(await pictures.image(imageId, regions));
  return [
    barSection("Text → region R-Precision of each kind of attribute", groups),
    barSection("Text → region R-Precision of each attribute", own),
    html`<section><h2>Best regions of each attribute</h2><p class="soft">From the best to the worse, with their cosine; a green frame where the region truly has the attribute, a red one where not.${hasMasks ? " What lies outside of a region's mask is faded." : ""}</p>${found}</section>
<section><h2>Attributes of the regions of some images</h2><p class="soft">As many attributes as a region truly has, the best first. Regions are numbered from the top left.</p><div class="samples">${shown}</div></section>`,
  ];
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
    const image = await this.#image(imageId);
    const box = row.regionCoord[region]!;
    const mask = regionMasks(row)?.[region];
    const picture = cropped(image, { box, margin });
    const shown = mask ? faded(picture, decodeRle(croppedMask(mask, { box, margin }))) : picture;
    const source = pngUrl(thumbnail(shown, { boxes: [], side: regionSide }));
    const verdict = correct ? "right" : "wrong";
    return html`<figure class="${verdict}"><img src="${source}" alt="Region ${region + 1} of image ${imageId}, ${verdict}"><figcaption>${score.toFixed(2)}</figcaption></figure>`;
  }

  async image(imageId: number, regions: readonly (readonly FoundAttribute[])[]): Promise<Markup> {
    const row = this.#rows.get(imageId)!;
    const source = pngUrl(
      thumbnail(await this.#image(imageId), { boxes: row.regionCoord, side: imageSide, masks: regionMasks(row) }),
    );
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
