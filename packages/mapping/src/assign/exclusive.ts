import { checkArgument, VillaError } from "@villa/data";
import { regionOffsets } from "../data/batches.ts";
import type { AttributeScores } from "../model/scores.ts";
import { forEachImage, largest } from "./assign.ts";

/** Farther below the image's best score than any ε can reach. */
const outOfReach = 4;

/**
 * Scores for attributes that exclude each other, as a digit is either a three or a five: of each group a region keeps the
 * attribute whose score is nearest to the image's best for it, the others fall out of reach of every ε. A region that is
 * the best of its image keeps the attribute in any case. Mapping, sweeps and the choice of ε work on the result as on any
 * other scores.
 *
 * The reference has no such step. It needs no region labels, only the groups; docs/accuracy.md has figures.
 *
 * @param options `counts`: [N] regions of each image; `groups`: attribute indices that exclude each other
 * @throws VillaError `InvalidArgument` when an attribute is in two groups or unknown
 */
export function excludeWithinGroups(
  scores: readonly AttributeScores[],
  options: { readonly counts: Int32Array; readonly groups: readonly (readonly number[])[] },
): AttributeScores[] {
  checkArgument("scores", scores, [{ images: "numbers", values: "numbers" }]);
  checkArgument("options", options, { counts: "numbers", groups: ["numbers"] });
  const { counts, groups } = options;

  checkGroups(groups, scores.length);
  const offsets = regionOffsets(counts);
  const result = [...scores];
  for (const group of groups) {
    // [R] how far the nearest attribute of the group is below the image's best score for it
    const nearest = new Float32Array(offsets.at(-1)!).fill(Number.POSITIVE_INFINITY);
    const visit = (attribute: number, each: (region: number, gap: number, place: number) => void): void => {
      let place = 0;
      forEachImage(scores[attribute]!, offsets, (image, values) => {
        const best = largest(values);
        values.forEach((value, r) => {
          each(offsets[image]! + r, Math.fround(best - value), place++);
        });
      });
    };
    for (const attribute of group) {
      visit(attribute, (region, gap) => {
        nearest[region] = Math.min(nearest[region]!, gap);
      });
    }
    for (const attribute of group) {
      const values = scores[attribute]!.values.slice();
      visit(attribute, (region, gap, place) => {
        if (gap > nearest[region]!) values[place]! -= outOfReach;
      });
      result[attribute] = { images: scores[attribute]!.images, values };
    }
  }
  return result;
}

function checkGroups(groups: readonly (readonly number[])[], attributes: number): void {
  const seen = new Set<number>();
  for (const attribute of groups.flat()) {
    if (!(Number.isInteger(attribute) && attribute >= 0 && attribute < attributes) || seen.has(attribute)) {
      const reason = seen.has(attribute) ? "is in two exclusive groups" : `is none of ${attributes}`;
      throw new VillaError("InvalidArgument", `Attribute ${attribute} ${reason}.`);
    }
    seen.add(attribute);
  }
}
