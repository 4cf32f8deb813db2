import { checkArgument, type ImageAnnotation, VillaError } from "@villa/data";
import { type Dataset, datasetRule } from "@villa/data/node";

/**
 * Finds what would make encoding fail or silently give nonsense, before hours are spent: regions that are empty,
 * inverted or outside of their image, images that are missing, ids that occur twice.
 *
 * @param rows the images that are going to be read
 * @throws VillaError `InvalidFile` (boxes, ids), `NotFound` (images)
 */
export function checkDataset(dataset: Dataset, rows: readonly ImageAnnotation[]): void {
  checkArgument("dataset", dataset, datasetRule);
  checkArgument("rows", rows, [
    { imageId: "number", regionCoord: ["numbers"], split: "text", text: "text", attributes: ["text"] },
  ]);

  const seen = new Set<number>();
  for (const { imageId } of dataset.annotations) {
    if (seen.has(imageId)) throw new VillaError("InvalidFile", `The annotations hold image ${imageId} twice.`);
    seen.add(imageId);
  }
  for (const row of dataset.annotations) checkBoxes(row);
  for (const row of rows) dataset.imagePath(row);
}

function checkBoxes({ imageId, imageSize, regionCoord }: ImageAnnotation): void {
  const [height, width] = imageSize;
  regionCoord.forEach((box, region) => {
    const [x0, y0, x1, y1] = box;
    const problem =
      box.length !== 4 || !box.every(Number.isFinite)
        ? "is not four numbers"
        : x1 < x0 || y1 < y0
          ? "is inverted"
          : x1 === x0 || y1 === y0
            ? "is empty"
            : x0 < 0 || y0 < 0 || x1 > width || y1 > height
              ? `is outside of its image of ${width} × ${height} pixels`
              : undefined;
    if (problem) {
      throw new VillaError(
        "InvalidFile",
        `Region ${region} of image ${imageId}, [${box.join(", ")}], ${problem}; boxes are x0, y0, x1, y1 in pixels.`,
      );
    }
  });
}
