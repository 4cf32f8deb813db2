import { attributeNames, type ImageAnnotation, VillaError } from "@villa/data";
import { encodePng } from "@villa/docmnist";
import type { Dataset } from "./dataset.ts";
import type { OwnImage } from "./protocol.ts";

/** The split that a visitor's own images make up. */
export const ownSplit = "own";

/**
 * The dataset with one more image, in the split "own". Its attributes are those of the vocabulary that its text mentions;
 * which region has which is for the mapping model to find out.
 *
 * @throws VillaError `InvalidArgument` without a box
 */
export function withOwnImage(dataset: Dataset, own: OwnImage): Dataset {
  if (own.boxes.length === 0) throw new VillaError("InvalidArgument", "Draw at least one box on the image.");
  const { width, height, rgba, boxes, text } = own;
  const added = dataset.rows.length;
  const id = Math.max(-1, ...dataset.rows.map(({ imageId }) => imageId)) + 1;
  const row: ImageAnnotation = {
    imageId: id,
    imageSize: [height, width],
    imageFilepath: `images/${id}.png`,
    regionCoord: boxes,
    numRegions: boxes.length,
    split: ownSplit,
    text,
    attributes: mentioned(text, attributeNames(dataset.vocabulary)),
  };
  const data = planesOf(rgba);
  return {
    ...dataset,
    rows: [...dataset.rows, row],
    readImage: async (image) => (image === added ? { width, height, channels: 3, data } : dataset.readImage(image)),
    imageFile: async (image) =>
      image === added ? encodePng({ width, height, data: new Uint8Array(rgba) }) : dataset.imageFile(image),
  };
}

/** Attributes that occur as words. */
export function mentioned(text: string, attributes: readonly string[]): string[] {
  const words = ` ${
    text
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu)
      ?.join(" ") ?? ""
  } `;
  return attributes.filter((attribute) => words.includes(` ${attribute.toLowerCase()} `));
}

/** [3, height, width] */
function planesOf(rgba: Uint8ClampedArray): Uint8Array {
  const area = rgba.length / 4;
  return Uint8Array.from({ length: 3 * area }, (_, i) => rgba[4 * (i % area) + Math.floor(i / area)]!);
}
