import {
  encodePng,
  forEachRun,
  type ImageSize,
  type RgbImage,
  type Rle,
  resizeRle,
  type SentencedText,
} from "@villa/data";
import { asProse, html, type Markup } from "./markup.ts";
import { shrunk } from "./shrink.ts";

/** What is said about a region below its picture. */
export interface FigureRegion {
  /** [x0, y0, x1, y1] in pixels of the image. */
  readonly box: readonly number[];
  /** Of the size of the image; null or undefined for a region that is its box. */
  readonly mask?: Rle | null | undefined;
  /** One or two characters, written into the box and before the notes. */
  readonly label: string;
  readonly notes: readonly Markup[];
}

/** A picture with its regions. */
export interface RegionFigure {
  readonly image: RgbImage;
  readonly title: string;
  /** The text that belongs to the picture, as the dataset has it. */
  readonly text?: string | SentencedText | undefined;
  readonly regions: readonly FigureRegion[];
}

/** Pictures are stored about so many pixels wide or high: sharp enough for their place on a page. */
const storedSide = 360;
/** Pixels of an image that is drawn as squares; larger ones are photographs, which are smoothed. */
const pixelArt = 128;
/** Colours of boxes in style.ts: `.box0` … */
const boxColors = 6;

/** A picture with boxes and labels that stay sharp at every size, and below it what is said about each region. */
export function regionFigure({ image, title, text, regions }: RegionFigure): Markup {
  const { width, height } = image;
  const side = Math.max(width, height);
  const margin = side / 100; // half of a box's line lies outside of it
  const size = side / 20;
  const { picture } = shrunk(image, storedSide);
  const view = [-margin, -margin, width + 2 * margin, height + 2 * margin].map((n) => Number(n.toFixed(2))).join(" ");
  const boxes = regions.map(({ box: [x0 = 0, y0 = 0, x1 = 0, y1 = 0], mask, label }, i) => {
    const rect = html`x="${x0}" y="${y0}" width="${x1 - x0}" height="${y1 - y0}"`;
    const wide = size * (0.5 + 0.62 * label.length);
    const filled = mask ? maskPath(mask, picture) : "";
    return html`<g class="box${i % boxColors}">${filled}<rect class="halo" ${rect}/><rect class="edge" ${rect}/><rect class="tag" x="${x0}" y="${y0}" width="${wide.toFixed(2)}" height="${(1.25 * size).toFixed(2)}"/><text x="${(x0 + wide / 2).toFixed(2)}" y="${(y0 + 0.98 * size).toFixed(2)}" font-size="${size.toFixed(2)}">${label}</text></g>`;
  });
  const prose = text === undefined ? "" : asProse(text);
  const notes = regions.map(
    ({ label, notes: own }, i) => html`<li><b class="tag box${i % boxColors}">${label}</b> ${own}</li>`,
  );
  return html`<figure class="picture"><svg viewBox="${view}" role="img" aria-label="${title}, with ${regions.length} ${regions.length === 1 ? "region" : "regions"}"><image${side <= pixelArt ? html` class="pixels"` : ""} href="${pngUrl(encodePng(rgba(picture)))}" width="${width}" height="${height}" preserveAspectRatio="none"/>${boxes}</svg><figcaption><b>${title}</b>${prose === "" ? "" : html`<p>${prose}</p>`}<ul>${notes}</ul></figcaption></figure>`;
}

/** A mask's runs as one shape, in the pixels of the stored picture: finer would not be seen. */
function maskPath(mask: Rle, { width, height }: ImageSize): Markup {
  const parts: string[] = [];
  forEachRun(resizeRle(mask, { width, height }), (x, top, bottom) => {
    parts.push(`M${x} ${top}h1v${bottom - top}h-1z`);
  });
  const scale = `${mask.width / width} ${mask.height / height}`;
  return html`<path class="mask" transform="scale(${scale})" d="${parts.join("")}"/>`;
}

/** For an `<img>`. */
export function pngUrl(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
}

/** [3, height, width] bytes as [height, width, 4], opaque. */
function rgba({ width, height, data }: RgbImage) {
  const size = width * height;
  const pixels = new Uint8Array(4 * size);
  for (let i = 0; i < size; i++) {
    pixels[4 * i] = data[i]!;
    pixels[4 * i + 1] = data[size + i]!;
    pixels[4 * i + 2] = data[2 * size + i]!;
    pixels[4 * i + 3] = 255;
  }
  return { width, height, data: pixels };
}

/** What a region truly has, where that is known, and what it was given. */
export interface JudgedRegion {
  readonly attributes?: readonly string[] | undefined;
  readonly assigned?: readonly string[] | undefined;
  /** Attributes that the truth does not cover. */
  readonly withoutTruth?: readonly string[] | undefined;
}

/** The attributes that a region was given as right or wrong, and those that it missed; neutral where the truth is not known. */
export function assignmentChips({ attributes, assigned = [], withoutTruth = [] }: JudgedRegion): Markup[] {
  if (attributes === undefined) {
    return assigned.length > 0
      ? assigned.map((name) => html`<span class="chip unknown">${name}</span>`)
      : [html`<span class="soft">nothing</span>`];
  }
  return [
    ...assigned.map((name) => {
      if (attributes.includes(name)) return html`<span class="chip right">✓ ${name}</span>`;
      if (withoutTruth.includes(name)) return html`<span class="chip unknown">${name}</span>`;
      return html`<span class="chip wrong">✗ ${name}</span>`;
    }),
    ...attributes
      .filter((name) => !assigned.includes(name))
      .map((name) => html`<span class="chip missed">${name}</span>`),
  ];
}

/** What {@link assignmentChips} mean; without any truth nothing is right or wrong. */
export function assignmentLegend(regions: readonly JudgedRegion[]): Markup {
  const known = regions.filter(({ attributes }) => attributes !== undefined).length;
  const isPartial = known < regions.length || regions.some(({ withoutTruth = [] }) => withoutTruth.length > 0);
  const judged = html`<p class="legend"><span class="chip right">✓ right</span><span class="chip wrong">✗ not there</span><span class="chip missed">missed</span>${isPartial ? html`<span class="chip unknown">truth not known</span>` : ""}</p>`;
  return known > 0
    ? judged
    : html`<p class="soft">The true attributes of these regions are not known, so nothing is judged.</p>`;
}
