import { checkArgument, VillaError } from "@villa/data";
import { defaultEpsilon } from "../config.ts";
import { regionOffsets } from "../data/batches.ts";
import type { AttributeScores } from "../model/scores.ts";

/**
 * Regions that get an attribute: those whose score exceeds the image's best one minus ε (paper §3.2).
 *
 * @param scores score of each region of one image for one attribute
 * @returns indices of the chosen regions, ascending
 */
export function regionsWithin(scores: ArrayLike<number>, epsilon: number): number[] {
  checkArgument("scores", scores, "numbers");
  checkArgument("epsilon", epsilon, "number");

  const threshold = largest(scores) - epsilon;
  const chosen: number[] = [];
  for (let r = 0; r < scores.length; r++) if (scores[r]! > threshold) chosen.push(r);
  return chosen;
}

export function largest(values: ArrayLike<number>): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]!);
  return most;
}

/** One ε for every attribute, or one of its own for each (index = attribute). */
export type Epsilon = number | readonly number[];

export function epsilonOf(epsilon: Epsilon, attribute: number): number {
  return typeof epsilon === "number" ? epsilon : epsilon[attribute]!;
}

/** @throws VillaError `InvalidArgument` unless every ε is a number above 0 (at 0 even the best region is left out). */
export function checkEpsilon(epsilon: Epsilon, attributes: number): void {
  const values = typeof epsilon === "number" ? [epsilon] : epsilon;
  if (typeof epsilon !== "number" && epsilon.length !== attributes) {
    throw new VillaError("Mismatch", `There are ${epsilon.length} values of epsilon for ${attributes} attributes.`);
  }
  const bad = values.find((value) => !(value > 0) || value > 2);
  if (bad !== undefined) {
    throw new VillaError(
      "InvalidArgument",
      `epsilon must be above 0 and at most 2 (scores are cosines), not ${bad}; the default is ${defaultEpsilon}.`,
    );
  }
}

/**
 * Assigns attributes to regions.
 *
 * @param scores per attribute, from {@link scoreRegions}
 * @param options `counts`: [N] regions of each image; `epsilon`: one for all attributes, or one for each
 * @returns image → region → attribute indices, ascending
 */
export function assignRegions(
  scores: readonly AttributeScores[],
  options: { readonly counts: Int32Array; readonly epsilon: Epsilon },
): number[][][] {
  checkArgument("scores", scores, [{ images: "numbers", values: "numbers" }]);
  checkArgument("options", options, { counts: "numbers", epsilon: "number | numbers" });
  const { counts, epsilon } = options;

  checkEpsilon(epsilon, scores.length);
  const assigned = Array.from(counts, (count) => Array.from({ length: count }, (): number[] => []));
  const offsets = regionOffsets(counts);
  scores.forEach((attributeScores, attribute) => {
    forEachImage(attributeScores, offsets, (image, values) => {
      for (const region of regionsWithin(values, epsilonOf(epsilon, attribute))) {
        assigned[image]![region]!.push(attribute);
      }
    });
  });
  return assigned;
}

/** Calls back with each scored image of one attribute and the scores of its regions. */
export function forEachImage(
  scores: AttributeScores,
  offsets: Int32Array,
  visit: (image: number, values: Float32Array) => void,
): void {
  let start = 0;
  for (const image of scores.images) {
    const end = start + offsets[image + 1]! - offsets[image]!;
    visit(image, scores.values.subarray(start, end));
    start = end;
  }
}
