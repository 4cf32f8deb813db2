import { existsSync } from "node:fs";
import { join } from "node:path";
import { decodeImage, type RgbImage } from "@villa/data";
import { type Dataset, readFileBytes } from "@villa/data/node";
import type { Box, CocoDataset } from "@villa/metrics";
import type { FramedRow } from "./dataset-detections.ts";
import { exifOrientation, turned } from "./exif.ts";

/** An image to draw boxes on. */
export interface Picture {
  readonly image: RgbImage;
  /** Where a box of the truth or of the detections is in it. */
  readonly place: (box: Box) => Box;
  /** The picture was turned; masks are not turned with it. */
  readonly isTurned?: boolean | undefined;
}

/** Images by their ids; undefined where there is none, it cannot be read, or it is another picture. */
export type PictureSource = (imageId: number) => Promise<Picture | undefined>;

const asTheyAre = (box: Box): Box => box;

/**
 * Images of a folder, upright, by the `file_name` that the truth gives them, or that its `coco_url` ends with, as LVIS has it.
 *
 * A photo that EXIF turns is drawn as a viewer shows it. Boxes count in the turned photo, as in tools that turn it before
 * anybody draws on it, unless the truth's width and height are those of the pixels as they are stored.
 */
export function folderPictures(folder: string, { images }: CocoDataset): PictureSource {
  const entries = new Map(images.map((image) => [image.id, image]));
  return async (imageId) => {
    const { file_name, coco_url, width, height } = entries.get(imageId) ?? {};
    const name = file_name ?? coco_url?.split("/").at(-1);
    const path =
      name === undefined ? undefined : [join(folder, name), join(folder, name.split("/").at(-1)!)].find(existsSync);
    if (path === undefined) return undefined;
    // A page without one of its pictures is better than none.
    const bytes = await readFileBytes(path).catch(() => undefined);
    const stored = await Promise.resolve(bytes && decodeImage(bytes)).catch(() => undefined);
    if (!bytes || !stored) return undefined;
    const { image, place } = turned(stored, exifOrientation(bytes));
    const has = (each: RgbImage) => (width ?? each.width) === each.width && (height ?? each.height) === each.height;
    if (has(image)) return { image, place: asTheyAre };
    return has(stored) ? { image, place, isTurned: true } : undefined;
  };
}

/** Images of a dataset folder, by its own ids. */
export function datasetPictures(dataset: Dataset): PictureSource {
  const rows = new Map(dataset.rows().map((row) => [row.imageId, row]));
  return async (imageId) => {
    const row = rows.get(imageId);
    const image = row && (await dataset.readImage(row).catch(() => undefined));
    return image && { image, place: asTheyAre };
  };
}

/** Images of a dataset folder by the ids of their frames, in whose pixels boxes are given. */
export function framedPictures(dataset: Dataset, images: readonly FramedRow[]): PictureSource {
  const framed = new Map(images.map((each) => [each.frame.id, each]));
  return async (imageId) => {
    const { row, frame } = framed.get(imageId) ?? {};
    if (!row || !frame) return undefined;
    const image = await dataset.readImage(row).catch(() => undefined);
    if (!image) return undefined;
    const [x, y] = [image.width / frame.width, image.height / frame.height];
    return { image, place: ([x0, y0, x1, y1]) => [x0 * x, y0 * y, x1 * x, y1 * y] };
  };
}
