import { dataTable, html, type Markup, minute, selfContainedPage } from "../report/html.ts";
import type { ComparedPart, Comparison } from "./compare.ts";
import { fraction } from "./page.ts";
import type { PictureSource } from "./pictures.ts";

/** Parts shown at each end. */
const shown = 12;
const pictureSide = 200;

/** The page of `villa compare`: every difference with its interval, and where the runs differ most. */
export async function renderComparison(
  comparison: Comparison,
  { pictures, finished }: { readonly pictures?: PictureSource | undefined; readonly finished: string },
): Promise<string> {
  const { records, differences, parts, resamples, seed } = comparison;
  const better = parts.list.filter(({ a, b }) => b > a);
  const worse = parts.list.filter(({ a, b }) => b < a).reverse();
  return selfContainedPage(`villa compare: ${records.a.task}`, [
    html`<header><h1>Is B better than A?</h1><p class="lead">Both on the same ${records.a.items.ids.length.toLocaleString("en")} images.</p>
${dataTable(
  ["", "what was evaluated"],
  [
    ["A", records.a.subject],
    ["B", records.b.subject],
  ],
)}</header>
<section><h2>Every number</h2>
${dataTable(
  ["", "A", "B", "B − A", "95 % interval", "p"],
  Object.entries(differences).map(([name, { a, b, difference, pValue }]) => [
    name,
    shownNumber(a),
    shownNumber(b),
    signed(difference.value),
    Number.isFinite(difference.low) ? `${signed(difference.low)} – ${signed(difference.high)}` : "",
    Number.isFinite(pValue) ? pValue.toFixed(3) : "",
  ]),
)}
<p class="soft">Paired bootstrap: A and B are measured on the same ${resamples.toLocaleString("en")} samples of the images, seed ${seed}. p is two-sided: how likely so large a difference would be if there were none. With ${Object.keys(differences).length} numbers, some are small by chance.</p></section>
<section><h2>Where they differ</h2>
<p class="soft">${parts.measure} of each ${parts.what}: B is higher for ${better.length}, lower for ${worse.length}, equal for ${parts.list.length - better.length - worse.length}.</p>
<div class="two">${await partCard("B is better", better, { pictures, comparison })}${await partCard("A is better", worse, { pictures, comparison })}</div></section>
<footer>Written by <code>villa compare</code> on ${minute(finished)} UTC.</footer>`,
  ]);
}

async function partCard(
  title: string,
  list: readonly ComparedPart[],
  { pictures, comparison }: { readonly pictures: PictureSource | undefined; readonly comparison: Comparison },
): Promise<Markup> {
  const { what, measure } = comparison.parts;
  if (list.length === 0) return html`<div class="card"><h3>${title}</h3><p class="soft">Nowhere.</p></div>`;
  const rows = list.slice(0, shown).map(({ name, a, b }) => [name, fraction(a), fraction(b), signed(b - a)]);
  const figures: Markup[] = [];
  if (pictures && what === "image") {
    const { pngUrl, thumbnail } = await import("../report/thumbnail.ts");
    for (const { name, a, b } of list.slice(0, 6)) {
      const picture = await pictures(Number(name));
      if (!picture) continue;
      const caption = `image ${name}: ${fraction(a)} and ${fraction(b)}`;
      figures.push(
        html`<figure><img src="${pngUrl(thumbnail(picture.image, { boxes: [], side: pictureSide }))}" alt="${caption}"><figcaption>${caption}</figcaption></figure>`,
      );
    }
  }
  return html`<div class="card"><h3>${title}</h3>${dataTable([what, `${measure} of A`, "of B", "B − A"], rows)}${figures.length > 0 ? html`<div class="regions">${figures}</div>` : ""}</div>`;
}

const shownNumber = (value: number): string => (Number.isFinite(value) ? value.toFixed(3) : "–");

function signed(value: number): string {
  if (!Number.isFinite(value)) return "";
  return `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(3)}`;
}
