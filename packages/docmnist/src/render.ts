import { type Box, type RgbaImage, VillaError } from "@villa/data";
import { Canvas, type Rgb } from "./canvas.ts";
import { characterSize, wrapText } from "./font.ts";

/** What can be drawn: a generated sample, or an image of any dataset with its regions. */
export interface RenderableSample {
  readonly width: number;
  readonly height: number;
  /** [3, height, width] uint8 */
  readonly image: Uint8Array;
  readonly regions: readonly RenderableRegion[];
  readonly text: string;
  /** Shown above the text. */
  readonly id?: number | undefined;
}

/** A region with what is known about it. */
export interface RenderableRegion {
  readonly box: Box;
  /** True attributes; undefined where nobody knows them. */
  readonly attributes?: readonly string[] | undefined;
  /** Attributes assigned by a mapping, drawn instead of the true ones, right, wrong and unknown ones in colours of their own. */
  readonly assigned?: readonly string[] | undefined;
}

/** Whether a region truly has an attribute; "unknown" where its truth is not known, which is no mistake. */
export function verdict(attribute: string, { attributes }: RenderableRegion): "right" | "wrong" | "unknown" {
  if (attributes === undefined) return "unknown";
  return attributes.includes(attribute) ? "right" : "wrong";
}

/** How samples are drawn. */
export interface RenderOptions {
  /** Screen pixels per image pixel, 1…16; default 4. */
  readonly scale?: number | undefined;
  /** Draw the regions' boxes; default true. */
  readonly boxes?: boolean | undefined;
  /** Write the regions' attributes into their boxes and the text below the image; default true. */
  readonly captions?: boolean | undefined;
}

/** Options of {@link montage}. */
export interface MontageOptions extends RenderOptions {
  /** Pictures side by side; default the square root of their number, rounded up. */
  readonly columns?: number | undefined;
}

const paper: Rgb = [250, 250, 248];
const ink: Rgb = [40, 40, 44];
const faint: Rgb = [130, 130, 136];
const white: Rgb = [255, 255, 255];
const verdictColors: Record<ReturnType<typeof verdict>, Rgb> = {
  right: [120, 235, 140],
  wrong: [255, 120, 110],
  unknown: white,
};
const frames: readonly Rgb[] = [
  [255, 176, 0],
  [100, 200, 255],
  [255, 110, 180],
  [130, 230, 130],
  [200, 160, 255],
  [240, 240, 90],
];

/**
 * Draws a sample with its boxes, attributes and text.
 *
 * @example await writeFile("sample.png", encodePng(renderSample(sample)));
 */
export function renderSample(sample: RenderableSample, options: RenderOptions = {}): RgbaImage {
  const { scale = 4, boxes = true, captions = true } = options;
  if (!Number.isInteger(scale) || scale < 1 || scale > 16) {
    throw new VillaError("InvalidArgument", `The scale must be a whole number between 1 and 16, not ${scale}.`);
  }
  const width = sample.width * scale;
  const height = sample.height * scale;
  const lines = captions ? wrapText(sample.text, Math.max(1, Math.floor(width / characterSize.width))) : [];
  const title = captions && sample.id !== undefined ? [`image ${sample.id}`] : [];
  const lineCount = lines.length + title.length;
  const canvas = new Canvas(width, height + (lineCount > 0 ? lineCount * characterSize.height + 8 : 0), paper);
  canvas.planes(sample.image, sample.width, sample.height, 0, 0, scale);
  for (const [i, region] of sample.regions.entries()) {
    const [x0, y0, x1, y1] = region.box.map((side) => Math.round(side * scale)) as [number, number, number, number];
    if (captions) drawCaption(canvas, region, x0, x1, y1);
    if (boxes) canvas.frame(x0, y0, x1 - x0, y1 - y0, frames[i % frames.length]!, scale > 2 ? 2 : 1);
  }
  for (const [i, line] of [...title, ...lines].entries()) {
    canvas.text(line, 1, height + 4 + i * characterSize.height, i < title.length ? faint : ink);
  }
  return canvas;
}

/**
 * Draws samples side by side.
 *
 * @throws VillaError `InvalidArgument` without samples
 */
export function montage(samples: Iterable<RenderableSample>, options: MontageOptions = {}): RgbaImage {
  const pictures = Array.from(samples, (sample) => renderSample(sample, options));
  if (pictures.length === 0) throw new VillaError("InvalidArgument", "A montage needs at least one sample.");
  const columns = Math.max(1, Math.min(pictures.length, options.columns ?? Math.ceil(Math.sqrt(pictures.length))));
  const gap = 2 * (options.scale ?? 4);
  const cellWidth = Math.max(...pictures.map((picture) => picture.width));
  const rows = Array.from({ length: Math.ceil(pictures.length / columns) }, (_, row) =>
    pictures.slice(row * columns, (row + 1) * columns),
  );
  const rowHeights = rows.map((row) => Math.max(...row.map((picture) => picture.height)));
  const height = rowHeights.reduce((sum, rowHeight) => sum + rowHeight + gap, gap);
  const canvas = new Canvas(columns * (cellWidth + gap) + gap, height, paper);
  let y = gap;
  for (const [i, row] of rows.entries()) {
    for (const [column, picture] of row.entries()) canvas.paste(picture, gap + column * (cellWidth + gap), y);
    y += rowHeights[i]! + gap;
  }
  return canvas;
}

/** Writes a region's attributes on a dark strip at the bottom of its box. */
function drawCaption(canvas: Canvas, region: RenderableRegion, x0: number, x1: number, y1: number): void {
  const perLine = Math.floor((x1 - x0 - 4) / characterSize.width);
  if (perLine < 3) return;
  const lines: { text: string; color: Rgb }[] = region.assigned
    ? region.assigned.map((text) => ({ text, color: verdictColors[verdict(text, region)] }))
    : wrapText((region.attributes ?? []).join(" "), perLine).map((text) => ({ text, color: white }));
  const height = lines.length * characterSize.height + 2;
  canvas.fill(x0, y1 - height - 2, x1 - x0, height + 2, [0, 0, 0], 0.6);
  for (const [i, { text, color }] of lines.entries()) {
    canvas.text(text.slice(0, perLine), x0 + 4, y1 - height + i * characterSize.height, color);
  }
}
