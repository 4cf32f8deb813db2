import { checkArgument, VillaError } from "@villa/data";
import { type Box, nonMaximumSuppression } from "@villa/metrics";

/** Boxes of one image with their scores. */
export interface DetectOptions {
  readonly boxes: readonly Box[];
  /** [boxes, classes] cosines, row-major. */
  readonly cosines: Float32Array;
  readonly classes: number;
  /** Scores are softmax(cosine / temperature) over the classes; 0 for the cosines themselves. Default 0.07. */
  readonly temperature?: number | undefined;
  /** A box is dropped where it overlaps a better one of its class by more than this; 1 keeps all. Default 0.5. */
  readonly overlap?: number | undefined;
  /** Detections kept of an image, the best. Default 100, as many as COCO looks at. */
  readonly most?: number | undefined;
}

/** A class found in a box. */
export interface RegionDetection {
  /** Index of the box. */
  readonly box: number;
  readonly class: number;
  readonly score: number;
}

/**
 * Detections of an image from scores of proposals: every class of every box, then non-maximum suppression within each
 * class, then the best of the image.
 *
 * @returns by descending score
 * @throws VillaError `Mismatch` for scores of another number; as `nonMaximumSuppression`
 * @see Zhong et al., RegionCLIP, CVPR 2022, section 4.1 (zero-shot inference with given regions)
 */
export function detectRegions(options: DetectOptions): RegionDetection[] {
  checkArgument("options", options, {
    boxes: ["numbers"],
    cosines: "numbers",
    classes: "count",
    "temperature?": "number",
    "overlap?": "number",
    "most?": "number",
  });

  const { boxes, cosines, classes, temperature = 0.07, overlap = 0.5, most = 100 } = options;
  if (cosines.length !== boxes.length * classes) {
    const needed = `${boxes.length} boxes and ${classes} classes need ${boxes.length * classes} scores`;
    throw new VillaError("Mismatch", `${needed}, not ${cosines.length}.`);
  }
  const scores = temperature === 0 ? cosines : softmaxRows(cosines, { classes, temperature });
  const found: RegionDetection[] = [];
  for (let c = 0; c < classes; c++) {
    const own = Float32Array.from(boxes, (_, b) => scores[b * classes + c]!);
    // The best boxes of a class are all that can be among the best of the image.
    const kept = nonMaximumSuppression({ boxes, scores: own, threshold: overlap }).slice(0, most);
    for (const box of kept) found.push({ box, class: c, score: own[box]! });
  }
  return found.sort((a, b) => b.score - a.score || a.class - b.class || a.box - b.box).slice(0, most);
}

function softmaxRows(
  values: Float32Array,
  { classes, temperature }: { readonly classes: number; readonly temperature: number },
): Float32Array {
  const result = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += classes) {
    const row = values.subarray(start, start + classes);
    const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const exponentials = Array.from(row, (value) => Math.exp((value - largest) / temperature));
    const sum = exponentials.reduce((a, b) => a + b, 0);
    for (let c = 0; c < classes; c++) result[start + c] = exponentials[c]! / sum;
  }
  return result;
}
