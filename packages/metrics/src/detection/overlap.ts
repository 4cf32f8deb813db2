import type { ObjectColumns } from "./read-objects.ts";

/** Writes the overlap of one detection with some true objects. */
export type OverlapRow = (detection: number, truths: Int32Array, row: Float64Array) => void;

/**
 * Intersection over union of detections with true objects; over the area of the detection alone for a crowd.
 *
 * Boxes overlap as real numbers, without the extra pixel of older tools. The order of the operations is pycocotools'
 * `bbIou`, so that values on a threshold fall on the same side.
 */
export function overlaps(detections: ObjectColumns, truth: ObjectColumns & { readonly crowd: Uint8Array }): OverlapRow {
  const { masks } = detections;
  const others = truth.masks;
  if (masks && others) {
    return (detection, truths, row) => {
      for (let g = 0; g < truths.length; g++) {
        const j = truths[g]!;
        row[g] = masks.overlap(detection, others, { j, crowd: truth.crowd[j] === 1 });
      }
    };
  }
  const a = detections.boxes;
  const b = truth.boxes;
  return (detection, truths, row) => {
    const i = 4 * detection;
    const [left, top] = [a[i]!, a[i + 1]!];
    const [right, bottom] = [a[i + 2]! + left, a[i + 3]! + top];
    const area = a[i + 2]! * a[i + 3]!;
    for (let g = 0; g < truths.length; g++) {
      const j = 4 * truths[g]!;
      row[g] = 0;
      const width = Math.min(right, b[j + 2]! + b[j]!) - Math.max(left, b[j]!);
      if (width <= 0) continue;
      const height = Math.min(bottom, b[j + 3]! + b[j + 1]!) - Math.max(top, b[j + 1]!);
      if (height <= 0) continue;
      const common = width * height;
      row[g] = common / (truth.crowd[truths[g]!] === 1 ? area : area + b[j + 2]! * b[j + 3]! - common);
    }
  };
}
