import { checkArgument, type ImageSize } from "@villa/data";
import type { DetectionWarning } from "./coco-format.ts";

/** Boxes with the images they are of. */
export interface PlacedBoxes {
  readonly count: number;
  /** [n, 4] x, y, width, height. */
  readonly boxes: Float64Array;
  /** [n] index into `sizes`. */
  readonly image: Int32Array;
  readonly sizes: readonly (ImageSize | undefined)[];
  /** Whose boxes they are, for the sentence. */
  readonly of: string;
}

/** Boxes may leave their image by this many pixels: detectors round, and some do not clip. */
const tolerance = 1;

/**
 * Warns when more than half of the boxes leave their images, or some have a negative side: corners (x0, y0, x1, y1) given as
 * x, y, width, height look like that. Images of unknown size do not count.
 */
export function boxWarnings(input: PlacedBoxes): DetectionWarning[] {
  checkArgument("input", input, { count: "count", boxes: "numbers", image: "numbers", sizes: "list", of: "text" });
  const { count, boxes, image, sizes, of } = input;

  let known = 0;
  let leaving = 0;
  let fitting = 0;
  let negative = 0;
  for (let i = 0; i < count; i++) {
    const [x, y, width, height] = [boxes[4 * i]!, boxes[4 * i + 1]!, boxes[4 * i + 2]!, boxes[4 * i + 3]!];
    if (width < 0 || height < 0) negative++;
    const size = sizes[image[i]!];
    if (!size) continue;
    known++;
    const [right, bottom] = [size.width + tolerance, size.height + tolerance];
    if (x < -tolerance || y < -tolerance || x + width > right || y + height > bottom) leaving++;
    if (width >= x && height >= y && width <= right && height <= bottom) fitting++;
  }
  const warnings: DetectionWarning[] = [];
  if (2 * leaving > known) {
    const guess =
      2 * fitting > known
        ? " They look like corners (x0, y0, x1, y1); COCO's boxes are x, y, width, height."
        : " COCO's boxes are x, y, width, height in pixels of the image that the annotations speak of.";
    const message = `${leaving} of ${known} boxes of ${of} leave their image.${guess}`;
    warnings.push({ code: "BoxesLeaveImages", message });
  }
  if (negative > 0) {
    const message = `${negative} boxes of ${of} have a negative width or height and overlap nothing; COCO's boxes are x, y, width, height.`;
    warnings.push({ code: "NegativeSizes", message });
  }
  return warnings;
}
