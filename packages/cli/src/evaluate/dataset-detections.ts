import { type ImageAnnotation, regionMasks, rleArea } from "@villa/data";
import type { Box, CocoAnnotation, CocoDataset, CocoDetection } from "@villa/metrics";
import { type AttributeClass, detectRegions, hasClass } from "@villa/vlm";
import type { Frame } from "./frame.ts";
import { trueAttributes } from "./model.ts";

/** An image of a dataset with its frame. */
export interface FramedRow {
  readonly row: ImageAnnotation;
  readonly frame: Frame;
}

/** A dataset's regions as COCO's truth: a region is an object of every class that it has all attributes of. */
export function datasetTruth(images: readonly FramedRow[], classes: readonly AttributeClass[]): CocoDataset {
  const annotations: CocoAnnotation[] = [];
  for (const { row, frame } of images) {
    const attributes = trueAttributes(row);
    const masks = regionMasks(row);
    row.regionCoord.forEach(([x0, y0, x1, y1], region) => {
      classes.forEach((each, c) => {
        if (!hasClass(attributes[region]!, each)) return;
        const [width, height] = [x1 - x0, y1 - y0];
        const mask = masks?.[region];
        annotations.push({
          id: annotations.length + 1,
          image_id: frame.id,
          category_id: c + 1,
          bbox: [x0, y0, width, height],
          segmentation: segmentation(row, region),
          area: mask ? rleArea(mask) : width * height,
          iscrowd: 0,
        });
      });
    });
  }
  return {
    images: images.map(({ row, frame: { id, width, height } }) => ({
      id,
      width,
      height,
      file_name: row.imageFilepath,
    })),
    annotations,
    categories: classes.map(({ name }, c) => ({ id: c + 1, name })),
  };
}

/** A region's mask as COCO has it. */
export function segmentation({ imageSize: size, regionMasks: masks }: ImageAnnotation, region: number) {
  const counts = masks?.[region] ?? undefined;
  return counts === undefined ? undefined : { size: [...size] as [number, number], counts };
}

/** What {@link scoredDetections} makes detections of. */
export interface ScoredProposals {
  readonly frames: readonly Frame[];
  readonly boxesOf: (frame: Frame) => readonly Box[];
  /** Mask of a frame's box, where masks are compared. */
  readonly maskOf?: ((frame: Frame, box: number) => CocoDetection["segmentation"]) | undefined;
  /** [boxes of all frames, categories] */
  readonly cosines: Float32Array;
  /** Ids of the categories, in the order of the columns. */
  readonly categories: readonly number[];
  readonly temperature: number;
  readonly nms: number;
}

/** Detections, in the pixels of the frames: see `detectRegions`. */
export function scoredDetections(scored: ScoredProposals): CocoDetection[] {
  const { frames, boxesOf, maskOf, cosines, categories, temperature, nms: overlap } = scored;
  const detections: CocoDetection[] = [];
  const classes = categories.length;
  let first = 0;
  for (const frame of frames) {
    const boxes = boxesOf(frame);
    const own = cosines.subarray(first * classes, (first + boxes.length) * classes);
    first += boxes.length;
    for (const found of detectRegions({ boxes, cosines: own, classes, temperature, overlap })) {
      const [x0, y0, x1, y1] = boxes[found.box]!;
      const bbox = [x0, y0, x1 - x0, y1 - y0];
      const mask = maskOf?.(frame, found.box);
      const category = categories[found.class]!;
      detections.push({ image_id: frame.id, category_id: category, bbox, segmentation: mask, score: found.score });
    }
  }
  return detections;
}
