import type { Detections } from "./read-detections.ts";
import type { Truth } from "./read-truth.ts";

/** Sizes of objects that are looked at on their own: lower and upper bound of their area, both included. */
export interface AreaRange {
  readonly name: "all" | "small" | "medium" | "large";
  readonly from: number;
  readonly to: number;
}

/** COCO's and LVIS's area ranges, in square pixels. */
export const areaRanges: readonly AreaRange[] = [
  { name: "all", from: 0, to: 1e10 },
  { name: "small", from: 0, to: 32 ** 2 },
  { name: "medium", from: 32 ** 2, to: 96 ** 2 },
  { name: "large", from: 96 ** 2, to: 1e10 },
];

/** What `matchObjects` compares. */
export interface MatchInput {
  readonly truth: Truth;
  readonly detections: Detections;
  /** Indices of the true objects to look at, in the order that decides between equals. */
  readonly truthOrder: Int32Array;
  /** Indices of the detections to look at, in the order that decides between equals. */
  readonly detectionOrder: Int32Array;
  /** [truths] 1 for objects that do not count. */
  readonly ignored: Uint8Array;
  /** [detections] 1 for those that do not count unless they find an object. */
  readonly forgiven?: Uint8Array | undefined;
  /** At most 31 thresholds of the overlap. */
  readonly thresholds: readonly number[];
  /** Detections looked at for each image and category. */
  readonly maxDetections: number;
  /** Compare without looking at categories. */
  readonly classAgnostic: boolean;
}

/** Who found whom, by detection and by true object in the order of the input. */
export interface MatchFlags {
  /** [areas][detections] bit t: found an object at threshold t. */
  readonly matched: readonly Int32Array[];
  /** [areas][detections] bit t: does not count at threshold t. */
  readonly unjudged: readonly Int32Array[];
  /** [truths] bit a: does not count in area range a. */
  readonly truthUnjudged: Uint8Array;
  /** [detections] the true object found at the first threshold in the first area range; -1 for none. */
  readonly found: Int32Array;
}

/** Detections in the order in which curves go through them. */
export interface RankedDetections {
  /** [categories + 1] where each category begins. */
  readonly starts: Int32Array;
  /** Which detection it is: by category, and within it by descending score, then image, then order of input. */
  readonly index: Int32Array;
  readonly image: Int32Array;
  readonly score: Float64Array;
  /** Place by score within the image and category. */
  readonly rank: Int32Array;
  /** [areas] as in {@link MatchFlags}. */
  readonly matched: readonly Int32Array[];
  /** [areas] as in {@link MatchFlags}. */
  readonly unjudged: readonly Int32Array[];
}

/** True objects by category, then image. */
export interface RankedTruth {
  /** [categories + 1] where each category begins. */
  readonly starts: Int32Array;
  readonly image: Int32Array;
  /** As in {@link MatchFlags}. */
  readonly unjudged: Uint8Array;
}

/**
 * Who found whom, for each category, area range and threshold.
 *
 * Everything lies in memory as it is read: jumping about would make a bootstrap five times as slow.
 */
export interface Matches {
  readonly categories: number;
  readonly thresholds: readonly number[];
  readonly detections: RankedDetections;
  readonly truth: RankedTruth;
  /** [detections] in the order of the input, as in {@link MatchFlags}. */
  readonly found: Int32Array;
}
