import { basename, join } from "node:path";
import { percent } from "@villa/command-kit";
import { decodeImage, type ImageAnnotation, regionMasks } from "@villa/data";
import { atomicWriteFile, readFileBytes, withPath } from "@villa/data/node";
import { describeProblem, type IngestSummary } from "@villa/ingest/node";
import { barChart, barCharts } from "./charts.ts";
import { asProse, dataTable, html, type Markup, selfContainedPage, trusted } from "./html.ts";
import { pngUrl, thumbnail } from "./thumbnail.ts";

/** In the dataset's folder. */
const cardFile = "card.html";

/** Attributes with a bar, at most; a table of thousands would not help. */
const mostBars = 40;

/** Writes a page about a dataset: counts, complexity, attributes, example pictures, what was left out. @returns its path */
export async function writeDataCard(directory: string, summary: IngestSummary): Promise<string> {
  const path = join(directory, cardFile);
  const pictures = await Promise.all(summary.examples.map((row) => example(directory, row)));
  await atomicWriteFile(path, renderCard(directory, pictures, summary));
  return path;
}

const plural = (count: number, one: string): string => (count === 1 ? one : `${one}s`);

/** A chart alone would fill the page. */
const narrow = trusted(' style="max-width: 560px"');

function renderCard(directory: string, pictures: readonly Markup[], summary: IngestSummary): string {
  const name = basename(directory);
  const { images, regions, attributes, splits } = summary;
  const headline: [number, string][] = [
    [images, plural(images, "image")],
    [regions, plural(regions, "region")],
    [attributes.length, plural(attributes.length, "attribute")],
    [splits.length, splits.map(({ split }) => split).join(", ")],
  ];
  return selfContainedPage(`${name}: data card`, [
    html`<h1>${name}</h1>
<p class="lead">Data card, written by <code>villa ingest</code>.</p>
<div class="figures">${headline.map(([count, what]) => html`<div><b>${count}</b><span>${what}</span></div>`)}</div>`,
    ...[
      countsSection(summary),
      recallSection(summary),
      attributesSection(summary),
      examplesSection(pictures),
      problemsSection(summary),
    ],
    goingOn(directory),
  ]);
}

function countsSection(summary: IngestSummary): Markup {
  const { images: total, splits, sizes, distinctSizes, complexities, hasTruth } = summary;
  const bars = histogram(complexities, total).map(({ label, share }) => ({
    label,
    bars: [{ value: share, color: "var(--mapped)" as const }],
  }));
  const what = hasTruth
    ? "region-attribute pairs"
    : "attributes (a lower bound: not all true attributes of regions are known)";
  const shown = sizes.map(({ width, height, images }) => `${width} × ${height} (${images})`);
  return html`<section id="counts"><h2>Images and their complexity</h2>
${dataTable(
  ["split", "images", "regions", "average complexity"],
  splits.map(({ split, images, regions, complexity }) => [split, images, regions, complexity.toFixed(1)]),
)}
<p class="soft">Sizes in pixels: ${shown.join(", ")}${distinctSizes > sizes.length ? `, and ${distinctSizes - sizes.length} more` : ""}.</p>
<h3>Sample complexity: share of the images by their number of ${what}</h3>
<div class="card"${narrow}>${trusted(barChart("Histogram of the complexity of samples", bars))}</div></section>`;
}

/** How well proposals find the true boxes, where a dataset has both. */
function recallSection({ recall }: IngestSummary): Markup {
  if (!recall) return html``;
  const { boxes, found50, found75 } = recall;
  const row = (overlap: string, found: number) => [overlap, found, `${percent(found / boxes)} %`];
  return html`<section id="recall"><h2>Recall of the proposals</h2>
<p>How many of the ${boxes} true ${boxes === 1 ? "box" : "boxes"} have a proposal that overlaps them so much. An object without a proposal cannot be found, whatever the model.</p>
${dataTable(["overlap (IoU) of at least", "boxes found", "recall"], [row("0.5", found50), row("0.75", found75)])}</section>`;
}

function attributesSection(summary: IngestSummary): Markup {
  const { images: total, attributes, withoutAttributes } = summary;
  const note = trainNote(summary);
  const { truthNote } = summary;
  const frequent = [...attributes].sort((a, b) => b.images - a.images).slice(0, mostBars);
  const bars = frequent.map(({ name, images }) => ({
    label: name,
    bars: [{ value: images / total, color: "var(--mapped)" as const }],
  }));
  return html`<section id="attributes"><h2>Attributes</h2>
<p>Share of the images whose text or row has each attribute${attributes.length > mostBars ? `; the ${mostBars} most frequent of ${attributes.length}` : ""}.</p>
<div class="two">${barCharts("Share of images with each attribute", bars).map((chart) => html`<div class="card"${narrow}>${trusted(chart)}</div>`)}</div>
${note === undefined ? "" : html`<p><b>${note}</b></p>`}
${truthNote === undefined ? "" : html`<p>${truthNote}</p>`}
${withoutAttributes > 0 ? html`<p>Images without any attribute: ${withoutAttributes}.</p>` : ""}</section>`;
}

function examplesSection(pictures: readonly Markup[]): Markup {
  return html`<section id="examples"><h2>Examples</h2><div class="samples">${pictures}</div></section>`;
}

function problemsSection({ problems, skippedRows, skippedBoxes }: IngestSummary): Markup {
  if (skippedRows + skippedBoxes === 0) return html``;
  const shown = problems.slice(0, 20).map((problem) => html`<li>${describeProblem(problem)}</li>`);
  return html`<section id="left-out"><h2>Left out</h2>
<p>Rows of the table that could not be used: ${skippedRows}; boxes left out of other rows: ${skippedBoxes}; <code>problems.jsonl</code> lists them all.</p><ul>${shown}</ul></section>`;
}

function goingOn(directory: string): Markup {
  return html`<section id="going-on"><h2>Next steps</h2><pre tabindex="0"><code>villa preprocess --data-dir ${directory}
villa stage1 data_dir=${directory} task_name=mapping
villa stage2 data_dir=${directory} task_name=model model.weights=RN50.pt</code></pre></section>`;
}

async function example(directory: string, row: ImageAnnotation): Promise<Markup> {
  const path = join(directory, row.imageFilepath);
  const image = await withPath(path, async () => decodeImage(await readFileBytes(path)));
  const source = pngUrl(thumbnail(image, { boxes: row.regionCoord, side: 320, masks: regionMasks(row) }));
  const chips = row.attributes.map((name) => html`<span class="chip right">${name}</span>`);
  return html`<figure><img src="${source}" alt="Image ${row.imageId} with its regions"><figcaption>${asProse(row)}<div class="chips">${chips}</div></figcaption></figure>`;
}

/** Names that are listed; a vocabulary may have thousands. */
const mostNamed = 20;

/** What the train split lacks, as a sentence; undefined when it has everything. */
export function trainNote({ splits, neverSeen }: Pick<IngestSummary, "splits" | "neverSeen">): string | undefined {
  if (!splits.some(({ split }) => split === "train")) {
    return 'No image is in the split "train", so nothing can be trained: there are too few rows or groups, or the splits have other names.';
  }
  if (neverSeen.length === 0) return undefined;
  const named = neverSeen.slice(0, mostNamed).map((name) => `"${name}"`);
  const more = neverSeen.length > mostNamed ? ` and ${neverSeen.length - mostNamed} more` : "";
  return `No image of the train split has ${named.join(", ")}${more}, so nothing can be learned about it.`;
}

/** Columns of a histogram. */
const mostBins = 12;

/**
 * Shares of the images by sample complexity, in bins of equal width.
 *
 * @param counts by rising complexity
 * @param total of all counts
 */
export function histogram(
  counts: readonly { readonly complexity: number; readonly images: number }[],
  total: number,
): { label: string; share: number }[] {
  const [low, high] = [counts[0]?.complexity ?? 0, counts.at(-1)?.complexity ?? 0];
  const width = Math.ceil((high - low + 1) / mostBins);
  return Array.from({ length: Math.ceil((high - low + 1) / width) }, (_, bin) => {
    const from = low + bin * width;
    const inside = counts.filter(({ complexity }) => complexity >= from && complexity < from + width);
    const images = inside.reduce((sum, own) => sum + own.images, 0);
    return { label: width === 1 ? `${from}` : `${from}–${from + width - 1}`, share: images / total };
  });
}
