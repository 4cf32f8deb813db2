import { type Box, checkArgument, forEachRun, type RgbaImage, type Rle, VillaError } from "@villa/data";
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
  /** Of the size of the image; null or undefined for a region that is its box. */
  readonly mask?: Rle | null | undefined;
  /** True attributes; undefined where they are not known. */
  readonly attributes?: readonly string[] | undefined;
  /** Attributes assigned by a mapping, drawn instead of the true ones, right, wrong and unknown ones in colours of their own. */
  readonly assigned?: readonly string[] | undefined;
  /** Attributes that the truth does not cover: never right or wrong. */
  readonly withoutTruth?: readonly string[] | undefined;
  /** Stands in its box and before its attributes; default its number, from 1. */
  readonly label?: string | undefined;
}

/** Whether a region truly has an attribute; "unknown" where its truth is not known, which is no mistake. */
export function verdict(
  attribute: string,
  { attributes, withoutTruth }: RenderableRegion,
): "right" | "wrong" | "unknown" {
  if (attributes === undefined || withoutTruth?.includes(attribute)) return "unknown";
  return attributes.includes(attribute) ? "right" : "wrong";
}

/** How samples are drawn. */
export interface RenderOptions {
  /** Screen pixels per image pixel, 1…16; default 4. */
  readonly scale?: number | undefined;
  /** Draw the regions' masks and boxes; default true. */
  readonly boxes?: boolean | undefined;
  /** Number the boxes, and write the regions' attributes and the text below the image; default true. */
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
const shade: Rgb = [0, 0, 0];
const verdictColors: Record<ReturnType<typeof verdict>, Rgb> = {
  right: [26, 127, 75],
  wrong: [192, 50, 43],
  unknown: ink,
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
  checkArgument("sample", sample, {
    width: "count",
    height: "count",
    image: "bytes",
    regions: ["object"],
    text: "text",
    "id?": "number",
  });
  checkArgument("options?", options, { "scale?": "number", "boxes?": "boolean", "captions?": "boolean" });

  const { scale = 4, boxes = true, captions = true } = options;
  if (!Number.isInteger(scale) || scale < 1 || scale > 16) {
    throw new VillaError("InvalidArgument", `The scale must be a whole number between 1 and 16, not ${scale}.`);
  }
  const width = sample.width * scale;
  const height = sample.height * scale;
  const textScale = textScaleOf(width);
  const letter = letterSize(textScale);
  const perLine = Math.max(1, Math.floor((width - 2) / letter.width));
  const placed = sample.regions.map((region) => place(region, scale));
  const lines: Line[] = captions
    ? [
        ...(sample.id === undefined ? [] : [[{ text: `image ${sample.id}`, color: faint }]]),
        ...sample.regions.flatMap((region, i) => attributeLines(region, i, perLine)),
        ...wrapText(sample.text, perLine).map((text) => [{ text, color: ink }]),
      ]
    : [];
  const canvas = new Canvas(width, height + (lines.length > 0 ? lines.length * letter.height + 8 : 0), paper);
  canvas.planes(sample.image, sample.width, sample.height, 0, 0, scale);
  const thickness = width >= 250 ? 2 : 1;
  if (boxes) {
    for (const [i, { mask }] of sample.regions.entries()) if (mask) drawMask(canvas, mask, frameColor(i), scale);
    // All dark lines first: where regions touch, none covers its neighbour's frame.
    for (const { x0, y0, x1, y1 } of placed) canvas.frame(x0 - 1, y0 - 1, x1 - x0 + 2, y1 - y0 + 2, shade);
  }
  for (const [i, region] of placed.entries()) {
    const { x0, y0, x1, y1 } = region;
    if (boxes) canvas.frame(x0, y0, x1 - x0, y1 - y0, frameColor(i), thickness);
    if (captions) drawLabel(canvas, { text: labelOf(region, i), x: x0, y: y0, color: frameColor(i) }, textScale);
  }
  for (const [i, line] of lines.entries()) drawLine(canvas, line, 1, height + 4 + i * letter.height, textScale);
  return canvas;
}

/**
 * Draws samples side by side, with what the colours of a mapping mean below them.
 *
 * @throws VillaError `InvalidArgument` without samples
 */
export function montage(samples: Iterable<RenderableSample>, options: MontageOptions = {}): RgbaImage {
  checkArgument("samples", samples, "iterable");
  checkArgument("options?", options, {
    "columns?": "count",
    "scale?": "number",
    "boxes?": "boolean",
    "captions?": "boolean",
  });

  const all = [...samples];
  const pictures = all.map((sample) => renderSample(sample, options));
  if (pictures.length === 0) throw new VillaError("InvalidArgument", "A montage needs at least one sample.");
  const columns = Math.max(1, Math.min(pictures.length, options.columns ?? Math.ceil(Math.sqrt(pictures.length))));
  const cellWidth = Math.max(...pictures.map((picture) => picture.width));
  const gap = Math.max(2 * (options.scale ?? 4), Math.round(cellWidth / 40));
  const rows = Array.from({ length: Math.ceil(pictures.length / columns) }, (_, row) =>
    pictures.slice(row * columns, (row + 1) * columns),
  );
  const rowHeights = rows.map((row) => Math.max(...row.map((picture) => picture.height)));
  const width = columns * (cellWidth + gap) + gap;
  const textScale = textScaleOf(cellWidth);
  const letter = letterSize(textScale);
  const legend = options.captions === false ? [] : wrapped(legendOf(all), Math.floor((width - 2 * gap) / letter.width));
  const height = rowHeights.reduce((sum, rowHeight) => sum + rowHeight + gap, gap);
  const canvas = new Canvas(width, height + (legend.length > 0 ? legend.length * letter.height + gap : 0), paper);
  let y = gap;
  for (const [i, row] of rows.entries()) {
    for (const [column, picture] of row.entries()) canvas.paste(picture, gap + column * (cellWidth + gap), y);
    y += rowHeights[i]! + gap;
  }
  for (const [i, line] of legend.entries()) drawLine(canvas, line, gap, y + i * letter.height, textScale);
  return canvas;
}

/** Words in their colours. */
type Line = readonly { readonly text: string; readonly color: Rgb }[];

/** Letters grow with the picture, so that they can be read when all of it is shown on a screen. */
const textScaleOf = (width: number): number => Math.max(1, Math.floor(width / 168));

const letterSize = (textScale: number) => ({
  width: characterSize.width * textScale,
  height: characterSize.height * textScale,
});

const frameColor = (i: number): Rgb => frames[i % frames.length]!;
const labelOf = ({ label }: RenderableRegion, i: number): string => label ?? String(i + 1);

/** A region in pixels of the picture. */
interface PlacedRegion extends RenderableRegion {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

function place(region: RenderableRegion, scale: number): PlacedRegion {
  const [x0, y0, x1, y1] = region.box.map((side) => Math.round(side * scale)) as [number, number, number, number];
  return { ...region, x0, y0, x1, y1 };
}

/** How much of a mask's colour lies over the picture. */
const maskOpacity = 0.4;

/** Colours the pixels of a mask. */
function drawMask(canvas: Canvas, mask: Rle, color: Rgb, scale: number): void {
  forEachRun(mask, (x, top, bottom) => {
    canvas.fill(x * scale, top * scale, scale, (bottom - top) * scale, color, maskOpacity);
  });
}

/** Writes a region's label into the corner of its box. */
function drawLabel(
  canvas: Canvas,
  { text, x, y, color }: { readonly text: string; readonly x: number; readonly y: number; readonly color: Rgb },
  textScale: number,
): void {
  const letter = letterSize(textScale);
  const inset = Math.ceil(1.5 * textScale);
  canvas.fill(x, y, text.length * letter.width + 2 * inset - textScale, letter.height + textScale, color);
  canvas.text(text, x + inset, y + inset, shade, textScale);
}

/** A region's attributes as lines below the image: "2 car red". */
function attributeLines(region: RenderableRegion, i: number, perLine: number): Line[] {
  const { attributes = [], assigned } = region;
  const words = assigned
    ? [
        ...assigned.map((name) => ({ text: name, color: verdictColors[verdict(name, region)] })),
        ...attributes.filter((name) => !assigned.includes(name)).map((name) => missed(name)),
      ]
    : attributes.map((text) => ({ text, color: ink }));
  return wrapped([{ text: labelOf(region, i), color: faint }, ...words], perLine);
}

const missed = (name: string) => ({ text: `(${name})`, color: faint });

/** What the colours mean, where there are any; without truth nothing is right or wrong. */
function legendOf(samples: readonly RenderableSample[]): Line {
  const mapped = samples.flatMap(({ regions }) => regions).filter(({ assigned }) => assigned !== undefined);
  if (mapped.length === 0 || mapped.every(({ attributes }) => attributes === undefined)) return [];
  const { right, wrong } = verdictColors;
  return [{ text: "right", color: right }, { text: "not there", color: wrong }, missed("missed")];
}

/** Words in lines of at most so many characters, two spaces between words of different attributes. */
function wrapped(words: Line, perLine: number): Line[] {
  const lines: { text: string; color: Rgb }[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const { text, color } of words) {
    const shown = text.slice(0, Math.max(1, perLine));
    if (length + shown.length > perLine) {
      lines.push([]);
      length = 0;
    }
    lines.at(-1)!.push({ text: shown, color });
    length += shown.length + wordGap;
  }
  return lines;
}

const wordGap = 2;

function drawLine(canvas: Canvas, line: Line, x: number, y: number, textScale: number): void {
  let left = x;
  for (const { text, color } of line) {
    canvas.text(text, left, y, color, textScale);
    left += (text.length + wordGap) * letterSize(textScale).width;
  }
}
