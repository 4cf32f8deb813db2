import { type AttributeVocabulary, attributeNames, type ImageAnnotation, type RgbImage } from "@villa/data";
import type { DatasetSummary, Picture, SplitSummary } from "./protocol.ts";
import { tellingImage } from "./telling-image.ts";

/** A dataset in the worker's memory. */
export interface Dataset {
  /** Name of its folder. */
  readonly name: string;
  readonly vocabulary: AttributeVocabulary;
  readonly rows: readonly ImageAnnotation[];
  /** Decodes the image of a row. */
  readImage(row: number): Promise<RgbImage>;
  /** The image of a row as a file of the dataset folder. */
  imageFile(row: number): Promise<Uint8Array>;
}

/** More pixels than this, across or down, no screen of the page shows. */
const longestSide = 1024;

/** Row numbers of each split, in order of appearance. */
export function splitRows({ rows }: Dataset): Map<string, number[]> {
  const splits = new Map<string, number[]>();
  rows.forEach(({ split }, row) => {
    const own = splits.get(split);
    if (own) own.push(row);
    else splits.set(split, [row]);
  });
  return splits;
}

/** The contents of a file. */
export async function bytesOf(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer());
}

export function summarize(dataset: Dataset): DatasetSummary {
  const splits = [...splitRows(dataset)].map(([split, images]): SplitSummary => {
    const rows = images.map((image) => dataset.rows[image]!);
    const regions = rows.reduce((sum, row) => sum + row.numRegions, 0);
    if (rows.some((row) => !row.regToAttr)) return { split, images, regions };
    const pairs = rows.reduce((sum, row) => sum + row.regToAttr!.flat().length, 0);
    return { split, images, regions, sampleComplexity: pairs / rows.length };
  });
  const masks = dataset.rows.reduce(
    (sum, row) => sum + (row.regionMasks?.filter((mask) => mask !== null).length ?? 0),
    0,
  );
  // Held-out images show best what a model has learned.
  const shown = (splits.find(({ split }) => split === "val") ?? splits[0])?.images ?? [];
  const telling = tellingImage(dataset.rows, shown, dataset.vocabulary);
  return { name: dataset.name, splits, groups: dataset.vocabulary.groups, masks, telling };
}

export async function pictureOf(dataset: Dataset, image: number): Promise<Picture> {
  const row = dataset.rows[image]!;
  const { width, height, data } = await dataset.readImage(image);
  const reduction = Math.ceil(Math.max(width, height) / longestSide);
  const rgba = toRgba({ width, height, data }, reduction);
  return {
    image,
    split: row.split,
    width,
    height,
    rgba,
    reduction,
    boxes: row.regionCoord,
    text: row.text,
    sentences: row.sentences,
    truth: row.regToAttr,
    attributes: inVocabularyOrder(row.attributes, dataset.vocabulary),
  };
}

function inVocabularyOrder(attributes: readonly string[], vocabulary: AttributeVocabulary): string[] {
  return attributeNames(vocabulary).filter((name) => attributes.includes(name));
}

/** Every `reduction`-th pixel of every `reduction`-th row. @param data [3, height, width] */
function toRgba(
  { width, height, data }: Pick<RgbImage, "width" | "height" | "data">,
  reduction: number,
): Uint8ClampedArray<ArrayBuffer> {
  const [columns, rows] = [Math.ceil(width / reduction), Math.ceil(height / reduction)];
  const rgba = new Uint8ClampedArray(4 * columns * rows).fill(255);
  for (let channel = 0; channel < 3; channel++) {
    for (let row = 0; row < rows; row++) {
      const from = (channel * height + row * reduction) * width;
      for (let column = 0; column < columns; column++) {
        rgba[4 * (row * columns + column) + channel] = data[from + column * reduction]!;
      }
    }
  }
  return rgba;
}
