import { type Box, checkArgument, VillaError } from "@villa/data";
import { checkBox, overlapOf } from "../box.ts";

/** Boxes that compete. */
export interface NmsOptions {
  readonly boxes: readonly Box[];
  /** [n] finite. */
  readonly scores: ArrayLike<number>;
  /** [n] boxes of different categories do not compete. Default: all boxes compete. */
  readonly categories?: ArrayLike<number> | undefined;
  /** A box is dropped where it overlaps a better one by more than this. Default 0.5. */
  readonly threshold?: number | undefined;
}

/**
 * Greedy non-maximum suppression: goes down the scores, keeps a box, and drops all that overlap it by more than the
 * threshold.
 *
 * Ties: of equal scores the earlier box comes first.
 *
 * @returns indices of the boxes that are kept, by descending score
 * @throws VillaError `Mismatch` for lists of different lengths, `NotFinite` for a score of NaN or infinity,
 * `InvalidArgument` for an invalid box or threshold
 * @see `torchvision.ops.nms` and `batched_nms`
 */
export function nonMaximumSuppression(options: NmsOptions): number[] {
  checkArgument("options", options, {
    boxes: ["numbers"],
    scores: "numbers",
    "categories?": "numbers",
    "threshold?": "number",
  });
  const { boxes, scores, categories, threshold = 0.5 } = options;

  const count = boxes.length;
  if (scores.length !== count || (categories && categories.length !== count)) {
    throw new VillaError("Mismatch", `${count} boxes need as many scores and categories; there are ${scores.length}.`);
  }
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new VillaError("InvalidArgument", `The threshold of an overlap must be from 0 to 1, not ${threshold}.`);
  }
  boxes.forEach((box, i) => {
    checkBox(box, `Box ${i}`);
    if (!Number.isFinite(scores[i]!))
      throw new VillaError("NotFinite", `Box ${i} has the score ${scores[i]}; scores must be finite numbers.`);
  });
  const order = Array.from(boxes, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  const kept: number[] = [];
  const rivals = new Map<number, Box[]>();
  for (const i of order) {
    const category = categories?.[i] ?? 0;
    const better = rivals.get(category) ?? [];
    rivals.set(category, better);
    if (better.some((box) => overlapOf(box, boxes[i]!) > threshold)) continue;
    better.push(boxes[i]!);
    kept.push(i);
  }
  return kept;
}
