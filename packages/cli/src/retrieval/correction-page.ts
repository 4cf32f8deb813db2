import { html, type Markup, regionFigure, selfContainedPage, trusted } from "@villa/command-kit";
import { type ImageAnnotation, regionMasks, storedSentences } from "@villa/data";
import type { Annotating, RegionAnnotation } from "./annotate.ts";

/**
 * A page on which a reader puts right what regions were given. It saves a table for `villa ingest`: the images that were
 * checked, with `region_attributes`.
 */
export async function* correctionPage(
  { dataset, rows, attributes, regions }: Annotating,
  { pictures }: { readonly pictures: number },
): AsyncGenerator<string> {
  const shown = rows.slice(0, pictures);
  const given = new Map<number, RegionAnnotation[]>(shown.map(({ imageId }) => [imageId, []]));
  for await (const region of regions()) {
    const own = given.get(region.image_id);
    if (!own) break; // regions come in the order of the rows
    own.push(region);
  }
  const figures: Markup[] = [];
  for (const [i, row] of shown.entries()) {
    const masks = regionMasks(row);
    const figure = regionFigure({
      image: await dataset.readImage(row),
      title: `image ${row.imageId}`,
      text: row,
      regions: row.regionCoord.map((box, region) => ({
        box,
        mask: masks?.[region],
        label: String(region + 1),
        notes: choices(row, region, given.get(row.imageId)?.[region], attributes),
      })),
    });
    figures.push(
      html`<div class="correct" data-image="${i}"><label><input type="checkbox"> checked</label>${figure}</div>`,
    );
  }
  const folder = dataset.directory;
  const table = shown.map((row) => {
    const { imageId, imageFilepath, imageSize, split, regionCoord } = row;
    const masks = row.regionMasks?.map((counts) => (counts === null ? null : { size: imageSize, counts }));
    return { id: String(imageId), image: imageFilepath, text: storedSentences(row), split, boxes: regionCoord, masks };
  });
  const body = [
    html`<h1>What do these regions show?</h1>
<p>Click attributes on or off until they are right, add others, and tick each picture that you have gone through. What you save holds the ticked pictures alone, as a table whose <code>region_attributes</code> are the truth:</p>
<pre tabindex="0"><code>villa ingest --images ${folder} --table corrections.jsonl --attributes ${folder}/attributes.json --out data/corrected</code></pre>
<div class="bar"><button class="main" id="save">Save corrections.jsonl</button><span class="soft" id="count">0 of ${shown.length} pictures checked</span></div>`,
    html`<div class="pictures">${figures}</div>`,
    trusted(`<script type="application/json" id="rows">${JSON.stringify(table).replaceAll("<", "\\u003c")}</script>`),
  ];
  yield selfContainedPage("Corrections", body, { script });
}

/** What the text speaks of and what the region was given as buttons, everything else in a list. */
function choices(
  { attributes: mentioned }: ImageAnnotation,
  region: number,
  given: RegionAnnotation | undefined,
  attributes: readonly string[],
): Markup[] {
  const on = new Set(given?.attributes.map(({ name }) => name));
  const near = [...new Set([...on, ...mentioned])];
  return [
    ...near.map(
      (name) =>
        html`<button type="button" data-region="${region}" aria-pressed="${on.has(name) ? "true" : "false"}">${name}</button>`,
    ),
    html`<select data-region="${region}" aria-label="another attribute"><option value="">add …</option>${attributes
      .filter((name) => !near.includes(name))
      .map((name) => html`<option>${name}</option>`)}</select>`,
  ];
}

/** In the page. Attributes are read from the buttons when the file is saved. */
const script = `"use strict";
const rows = JSON.parse(document.getElementById("rows").textContent);
const figures = [...document.querySelectorAll("[data-image]")];
const box = (figure) => figure.querySelector("input");
function changed(figure) {
  if (figure) box(figure).checked = true;
  const checked = figures.filter((each) => box(each).checked).length;
  document.getElementById("count").textContent = checked + " of " + figures.length + " pictures checked";
}
document.addEventListener("click", ({ target }) => {
  if (!(target instanceof HTMLElement) || !target.matches("button[data-region]")) return;
  target.setAttribute("aria-pressed", String(target.getAttribute("aria-pressed") !== "true"));
  changed(target.closest("[data-image]"));
});
document.addEventListener("change", ({ target }) => {
  if (target.matches("input")) return changed();
  if (!target.matches("select") || target.value === "") return;
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.region = target.dataset.region;
  button.setAttribute("aria-pressed", "true");
  button.textContent = target.value;
  target.before(button);
  target.selectedOptions[0].remove();
  target.value = "";
  changed(button.closest("[data-image]"));
});
document.getElementById("save").addEventListener("click", () => {
  const lines = figures.flatMap((figure, i) => {
    if (!box(figure).checked) return [];
    const truth = rows[i].boxes.map((_, region) =>
      [...figure.querySelectorAll('button[data-region="' + region + '"][aria-pressed="true"]')].map((each) => each.textContent),
    );
    return [JSON.stringify({ ...rows[i], region_attributes: truth }) + "\\n"];
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  link.download = "corrections.jsonl";
  link.click();
});
`;
