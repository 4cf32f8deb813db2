import { type Box, checkArgument, VillaError } from "@villa/data";
import { boxHolds, checkBox, overlapOf } from "../box.ts";
import { checkCutOffs } from "../cut-offs.ts";
import { expectedHit, meanOf } from "../ties.ts";

/** A phrase, the boxes that a model offers for it, and where it truly is. */
export interface GroundingQuery {
  readonly boxes: readonly Box[];
  /** [boxes] finite; the higher, the likelier. */
  readonly scores: ArrayLike<number>;
  /** At least one. */
  readonly truth: readonly Box[];
}

/**
 * What counts as finding a phrase that has several true boxes; the two protocols of Flickr30k Entities.
 *
 * `any-box`: overlapping any one of them enough. `merged-boxes`: overlapping the smallest box around all of them enough.
 */
export type GroundingProtocol = "any-box" | "merged-boxes";

/** How {@link phraseGrounding} judges. */
export interface GroundingOptions {
  /** No default: the two give numbers that must not be compared. */
  readonly protocol: GroundingProtocol;
  /** Cut-offs of the recall. Default 1, 5, 10. */
  readonly ks?: readonly number[] | undefined;
  /** A box finds the phrase with at least this overlap. Default 0.5. */
  readonly threshold?: number | undefined;
}

/** How well phrases are found, as fractions. */
export interface PhraseGrounding {
  /** Share of phrases with a box among the first k that finds them. The one at k = 1 is also called hit rate or accuracy. */
  readonly recall: readonly { readonly k: number; readonly recall: number }[];
  /** Mean overlap of the best-scored box with the truth. */
  readonly meanIou: number;
  /** Share of phrases with the centre of the best-scored box within the truth. */
  readonly centreHitRate: number;
  /** [queries, ks] row-major: the chance of a hit. What a bootstrap resamples. */
  readonly hits: Float64Array;
  /** [queries] overlap of the best-scored box. */
  readonly ious: Float64Array;
  /** [queries] whether the centre of the best-scored box is within the truth. */
  readonly centreHits: Float64Array;
}

/**
 * Recall@k of phrases, mean overlap and centre hits of the best box.
 *
 * Ties: results are expectations over all orders of boxes with equal scores: recall the chance that a hit is among the first
 * k, the best box's values their mean over the boxes that share the highest score. A query without boxes counts as missed.
 *
 * @throws VillaError `InvalidArgument` for a query without truth, an invalid box or a cut-off below 1, `Mismatch` for scores of another
 * number, `NotFinite` for a score of NaN or infinity
 * @see Plummer et al., Flickr30k Entities, IJCV 2017 (merged boxes); Kamath et al., MDETR, ICCV 2021, section 4.2 (both)
 */
export function phraseGrounding(queries: readonly GroundingQuery[], options: GroundingOptions): PhraseGrounding {
  checkArgument("queries", queries, [{ boxes: ["numbers"], scores: "numbers", truth: ["numbers"] }]);
  checkArgument("options", options, {
    protocol: "'any-box' | 'merged-boxes'",
    "ks?": "numbers",
    "threshold?": "number",
  });

  const { protocol, ks = [1, 5, 10], threshold = 0.5 } = options;
  checkCutOffs(ks);
  const hits = new Float64Array(queries.length * ks.length);
  const ious = new Float64Array(queries.length);
  const centreHits = new Float64Array(queries.length);
  queries.forEach((query, q) => {
    checkQuery(query, q);
    const truth = protocol === "any-box" ? query.truth : [enclosing(query.truth)];
    const overlaps = query.boxes.map((box) => Math.max(...truth.map((target) => overlapOf(box, target))));
    const found = overlaps.map((overlap) => overlap >= threshold);
    ks.forEach((k, j) => {
      hits[q * ks.length + j] = expectedHit(query.scores, found, k);
    });
    const best = bestPlaces(query.scores);
    ious[q] = meanOf(best.map((i) => overlaps[i]!));
    centreHits[q] = meanOf(best.map((i) => (truth.some((box) => boxHolds(box, centre(query.boxes[i]!))) ? 1 : 0)));
  });
  const column = (j: number) => meanOf(Array.from(queries, (_, q) => hits[q * ks.length + j]!));
  return {
    recall: ks.map((k, j) => ({ k, recall: column(j) })),
    meanIou: meanOf(ious),
    centreHitRate: meanOf(centreHits),
    hits,
    ious,
    centreHits,
  };
}

function enclosing(boxes: readonly Box[]): Box {
  const side = (k: 0 | 1 | 2 | 3) => boxes.map((box) => box[k]);
  return [Math.min(...side(0)), Math.min(...side(1)), Math.max(...side(2)), Math.max(...side(3))];
}

const centre = ([x0, y0, x1, y1]: Box): [number, number] => [(x0 + x1) / 2, (y0 + y1) / 2];

function bestPlaces(scores: ArrayLike<number>): number[] {
  const best = Array.from(scores).reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return Array.from(scores, (_, i) => i).filter((i) => scores[i] === best);
}

function checkQuery({ boxes, scores, truth }: GroundingQuery, q: number): void {
  if (truth.length === 0) throw new VillaError("InvalidArgument", `Query ${q} has no true box; leave it out.`);
  if (boxes.length !== scores.length) {
    throw new VillaError("Mismatch", `Query ${q} has ${boxes.length} boxes, but ${scores.length} scores.`);
  }
  boxes.forEach((box, i) => {
    checkBox(box, `Box ${i} of query ${q}`);
    if (!Number.isFinite(scores[i])) {
      throw new VillaError(
        "NotFinite",
        `Box ${i} of query ${q} has the score ${scores[i]}; scores must be finite numbers.`,
      );
    }
  });
  truth.forEach((box, i) => {
    checkBox(box, `True box ${i} of query ${q}`);
  });
}
