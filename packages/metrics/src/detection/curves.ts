import { areaRanges, type Matches } from "./matches.ts";

/** Recalls at which precision is read: 0, 0.01, … 1. */
export const recallLevels: Float64Array = Float64Array.from({ length: 101 }, (_, r) => r * 0.01);

/** Precision and recall of one category; -1 where there is no object to find. Buffers that the next category overwrites. */
export interface CategoryCurves {
  /** [thresholds, recalls, areas, limits] interpolated precision. */
  readonly precision: Float64Array;
  /** [thresholds, recalls, areas, limits] score of the detection at which the recall is reached; 0 where it is not. */
  readonly scores: Float64Array;
  /** [thresholds, areas, limits] recall of all detections. */
  readonly recall: Float64Array;
}

/** The distance from 1 to the next double. The tools add it, so that 0 / 0 is 0 and a first hit 1 / (1 + ε). */
const spacing = 2 ** -52;

/**
 * Computes precision-recall curves from matches, one category at a time.
 *
 * For each area range, each limit of detections and each threshold, going down the scores:
 * recall = TP / objects, precision = TP / (TP + FP); the precision at a recall level is the highest one at that recall or
 * any above it, and 0 at levels that are never reached.
 *
 * @see `COCOeval.accumulate` of pycocotools
 */
export class CurveBuilder {
  readonly #matches: Matches;
  readonly #limits: readonly number[];
  readonly #curves: CategoryCurves;
  /** Of the detections that are looked at: bit t is set for a hit and for a miss at threshold t. */
  readonly #hits: Int32Array;
  readonly #misses: Int32Array;
  readonly #weights: Float64Array;
  readonly #scores: Float64Array;
  /** Score of the first detection that is looked at, judged or not; 0 where there is none. */
  #firstScore = 0;
  /** Of the hits at one threshold. */
  readonly #precisions: Float64Array;
  readonly #recalls: Float64Array;
  readonly #places: Int32Array;

  /** @param limits detections looked at for each image and category, ascending */
  constructor(matches: Matches, limits: readonly number[]) {
    this.#matches = matches;
    this.#limits = limits;
    const slots = areaRanges.length * limits.length;
    const thresholds = matches.thresholds.length;
    this.#curves = {
      precision: new Float64Array(thresholds * recallLevels.length * slots),
      scores: new Float64Array(thresholds * recallLevels.length * slots),
      recall: new Float64Array(thresholds * slots),
    };
    const { starts } = matches.detections;
    let longest = 0;
    for (let k = 0; k < matches.categories; k++) longest = Math.max(longest, starts[k + 1]! - starts[k]!);
    this.#hits = new Int32Array(longest);
    this.#misses = new Int32Array(longest);
    this.#weights = new Float64Array(longest);
    this.#scores = new Float64Array(longest);
    this.#precisions = new Float64Array(longest);
    this.#recalls = new Float64Array(longest);
    this.#places = new Int32Array(longest);
  }

  /** @param imageWeights [images] how often each image counts; default once */
  category(k: number, imageWeights?: Float64Array): CategoryCurves {
    const deepest = this.#deepestRank(k);
    for (let a = 0; a < areaRanges.length; a++) {
      const objects = this.#countObjects(k, { a, imageWeights });
      for (let m = 0; m < this.#limits.length; m++) {
        const slot = a * this.#limits.length + m;
        if (objects === 0) this.#fill(slot);
        // No image has so many detections that the lower limit leaves one out.
        else if (m > 0 && deepest < this.#limits[m - 1]!) this.#copy(slot);
        else {
          const count = this.#gather(k, { a, limit: this.#limits[m]!, imageWeights });
          for (let t = 0; t < this.#matches.thresholds.length; t++) this.#trace({ t, slot, count, objects });
        }
      }
    }
    return this.#curves;
  }

  #deepestRank(k: number): number {
    const { starts, rank } = this.#matches.detections;
    let deepest = -1;
    for (let i = starts[k]!; i < starts[k + 1]!; i++) deepest = Math.max(deepest, rank[i]!);
    return deepest;
  }

  #countObjects(k: number, { a, imageWeights }: { a: number; imageWeights: Float64Array | undefined }): number {
    const { starts, image, unjudged } = this.#matches.truth;
    let objects = 0;
    for (let i = starts[k]!; i < starts[k + 1]!; i++) {
      if (((unjudged[i]! >> a) & 1) === 0) objects += imageWeights ? imageWeights[image[i]!]! : 1;
    }
    return objects;
  }

  /** Collects the category's judged detections within a limit, by descending score. @returns how many there are */
  #gather(k: number, options: { a: number; limit: number; imageWeights: Float64Array | undefined }): number {
    const { a, limit, imageWeights } = options;
    const { starts, image, rank, score } = this.#matches.detections;
    const [matched, unjudged] = [this.#matches.detections.matched[a]!, this.#matches.detections.unjudged[a]!];
    const every = 2 ** this.#matches.thresholds.length - 1;
    let count = 0;
    let first = true;
    this.#firstScore = 0;
    for (let i = starts[k]!; i < starts[k + 1]!; i++) {
      const weight = imageWeights ? imageWeights[image[i]!]! : 1;
      if (rank[i]! >= limit || weight === 0) continue;
      if (first) this.#firstScore = score[i]!;
      first = false;
      const judged = every & ~unjudged[i]!;
      if (judged === 0) continue;
      this.#hits[count] = matched[i]! & judged;
      this.#misses[count] = ~matched[i]! & judged;
      this.#weights[count] = weight;
      this.#scores[count++] = score[i]!;
    }
    return count;
  }

  #trace({ t, slot, count, objects }: { t: number; slot: number; count: number; objects: number }): void {
    const [hits, misses, weights] = [this.#hits, this.#misses, this.#weights];
    const [precisions, recalls, places] = [this.#precisions, this.#recalls, this.#places];
    let found = 0;
    let missed = 0;
    let length = 0;
    for (let i = 0; i < count; i++) {
      if (((hits[i]! >> t) & 1) === 1) {
        found += weights[i]!;
        precisions[length] = found / (missed + found + spacing);
        recalls[length] = found / objects;
        places[length++] = i;
      } else if (((misses[i]! >> t) & 1) === 1) missed += weights[i]!;
    }
    for (let i = length - 1; i > 0; i--) if (precisions[i]! > precisions[i - 1]!) precisions[i - 1] = precisions[i]!;

    const slots = areaRanges.length * this.#limits.length;
    this.#curves.recall[t * slots + slot] = found / objects;
    let i = 0;
    for (let r = 0; r < recallLevels.length; r++) {
      while (i < length && recalls[i]! < recallLevels[r]!) i++;
      const at = (t * recallLevels.length + r) * slots + slot;
      this.#curves.precision[at] = i < length ? precisions[i]! : 0;
      // Recall 0 is reached by the first detection, whatever it is.
      this.#curves.scores[at] = r === 0 ? this.#firstScore : i < length ? this.#scores[places[i]!]! : 0;
    }
  }

  #fill(slot: number): void {
    const slots = areaRanges.length * this.#limits.length;
    for (const values of [this.#curves.precision, this.#curves.scores, this.#curves.recall]) {
      for (let i = slot; i < values.length; i += slots) values[i] = -1;
    }
  }

  #copy(slot: number): void {
    const slots = areaRanges.length * this.#limits.length;
    for (const values of [this.#curves.precision, this.#curves.scores, this.#curves.recall]) {
      for (let i = slot; i < values.length; i += slots) values[i] = values[i - 1]!;
    }
  }
}
