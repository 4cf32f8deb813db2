import { existsSync } from "node:fs";
import { join } from "node:path";
import { decodeImage, type RgbImage } from "@villa/data";
import { type Dataset, readFileBytes } from "@villa/data/node";
import type { CocoDataset } from "@villa/metrics";

/** Images by their ids; undefined for one that there is not, cannot be read or has another size. */
export type PictureSource = (imageId: number) => Promise<RgbImage | undefined>;

/** Images of a folder, by the `file_name` that the truth gives them. */
export function folderPictures(folder: string, { images }: CocoDataset): PictureSource {
  const entries = new Map(images.map((image) => [image.id, image]));
  return async (imageId) => {
    const { file_name: name, width, height } = entries.get(imageId) ?? {};
    const path =
      name === undefined ? undefined : [join(folder, name), join(folder, name.split("/").at(-1)!)].find(existsSync);
    if (path === undefined) return undefined;
    // A page without one of its pictures is better than none.
    const image = await readFileBytes(path)
      .then(decodeImage)
      .catch(() => undefined);
    // Boxes would be beside their objects where EXIF turns the picture, or where it is another one.
    const isOther = image && ((width ?? image.width) !== image.width || (height ?? image.height) !== image.height);
    return isOther ? undefined : image;
  };
}

/** Images of a dataset folder. */
export function datasetPictures(dataset: Dataset): PictureSource {
  const rows = new Map(dataset.rows().map((row) => [row.imageId, row]));
  return async (imageId) => {
    const row = rows.get(imageId);
    return row && (await dataset.readImage(row).catch(() => undefined));
  };
}
